SELECT asked.key, entry.request_hash, entry.seq, entry.decision_outcome, entry.leaf
FROM unnest(%s::uuid[]) AS asked (key)
CROSS JOIN LATERAL (
    SELECT request_hash, seq, decision_outcome, leaf FROM ledger.entry WHERE entry.key = asked.key
    UNION ALL
    SELECT request_hash, seq, decision_outcome, leaf FROM ledger.past_key WHERE past_key.key = asked.key
    LIMIT 1
) AS entry
