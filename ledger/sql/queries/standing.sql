-- Entries under keys; of striped accounts the account that was asked for.
SELECT entry.key, entry.request_hash, entry.seq, entry.decision_outcome, entry.leaf,
    coalesce(debit.stripe_of, entry.debit_account), coalesce(credit.stripe_of, entry.credit_account), entry.amount
FROM unnest(%s::uuid[]) AS asked (key)
CROSS JOIN LATERAL (SELECT * FROM ledger.entry WHERE entry.key = asked.key LIMIT 1) AS entry
LEFT JOIN ledger.account AS debit ON debit.id = entry.debit_account
LEFT JOIN ledger.account AS credit ON credit.id = entry.credit_account
