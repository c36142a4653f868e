SELECT ledger.refuse_archived('entry ' || seq || ' of settlement ' || settlement_id, seq)
FROM ledger.past_key
WHERE settlement_id = %s
