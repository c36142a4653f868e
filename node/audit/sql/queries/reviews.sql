-- The newest state of each flagged record, newest first by its flagging; pages end at a record id.
SELECT f.record_key, f.organization, f.body, r.signer, coalesce(r.recorded_at, f.recorded_at)
FROM (
    SELECT DISTINCT ON (record_key) record_key, organization, body, recorded_at, block_number, tx_number
    FROM log.audit_record WHERE kind = 'flag'
    ORDER BY record_key, block_number DESC, tx_number DESC
) AS f
LEFT JOIN log.audit_record r ON r.kind = 'review' AND r.record_key = 'review~' || substring(f.record_key FROM 6)
WHERE (%(organization)s::text = '' OR f.organization = %(organization)s)
    AND (%(status)s::text = '' OR f.body::jsonb ->> 'status' = %(status)s)
    AND f.record_key > %(after)s::text COLLATE "C"
ORDER BY f.record_key LIMIT %(limit)s
