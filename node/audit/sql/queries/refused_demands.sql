-- Demands of this organization that were refused.
SELECT organization, body::jsonb ->> 'demand_id', body::jsonb ->> 'reason', recorded_at
FROM log.audit_record
WHERE kind = 'refusal' AND body::jsonb ->> 'demanding_organization' = %s
ORDER BY block_number, tx_number
