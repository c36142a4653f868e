INSERT INTO log.disclosed_entry
    (organization, seq, demand_id, disclosed_at, leaf, posted_at, effective_at, settlement_id, entry_key, decision,
    decision_id, rules_hash, worth, fields, bundle)
VALUES (%s, %s, %s, %s, %s, %s::timestamptz, %s::timestamptz, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
RETURNING seq
