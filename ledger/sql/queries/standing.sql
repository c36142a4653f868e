SELECT entry.key, entry.request_hash, entry.seq, entry.decision_outcome, entry.leaf, entry.debit_account,
    entry.credit_account, entry.amount
FROM unnest(%s::uuid[]) AS asked (key)
CROSS JOIN LATERAL (SELECT * FROM ledger.entry WHERE entry.key = asked.key LIMIT 1) AS entry
