-- Entries under these keys, archived ones too.
SELECT asked.key, entry.request_hash, entry.seq, entry.decision_outcome, entry.leaf, entry.debit_account,
    entry.credit_account, entry.amount
FROM unnest(%s::uuid[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT request_hash, seq, decision_outcome, leaf, debit_account, credit_account, amount
    FROM ledger.entry WHERE entry.key = asked.key
    UNION ALL
    SELECT request_hash, seq, decision_outcome, leaf, debit_account, credit_account, amount
    FROM ledger.past_key WHERE past_key.key = asked.key
    LIMIT 1
) AS entry
