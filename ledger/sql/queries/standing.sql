-- Entries under keys, archived ones too; of striped accounts the account that was asked for.
SELECT asked.key, entry.request_hash, entry.seq, entry.decision_outcome, entry.leaf,
    coalesce(debit.stripe_of, entry.debit_account), coalesce(credit.stripe_of, entry.credit_account), entry.amount
FROM unnest(%s::uuid[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT request_hash, seq, decision_outcome, leaf, debit_account, credit_account, amount
    FROM ledger.entry WHERE entry.key = asked.key
    UNION ALL
    SELECT request_hash, seq, decision_outcome, leaf, debit_account, credit_account, amount
    FROM ledger.past_key WHERE past_key.key = asked.key
    LIMIT 1
) AS entry
LEFT JOIN ledger.account AS debit ON debit.id = entry.debit_account
LEFT JOIN ledger.account AS credit ON credit.id = entry.credit_account
