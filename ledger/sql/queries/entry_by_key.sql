SELECT seq, key, posted_at, effective_at, coalesce(settlement_id, ''), coalesce(description, ''), decision, leaf,
    coalesce(actor, ''), coalesce(metadata, '{}'), reverses, hold_id, chain_seq
FROM ledger.entry_view
WHERE key = %s
