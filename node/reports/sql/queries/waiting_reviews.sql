-- Flags as they stand: one that was decided is written again with its outcome.
SELECT organization, count(*)
FROM (
    SELECT DISTINCT ON (record_key) organization, body
    FROM log.audit_record WHERE kind = 'flag'
    ORDER BY record_key, block_number DESC, tx_number DESC
) AS flag
WHERE body::jsonb ->> 'status' = 'requires_manual_review'
GROUP BY organization
