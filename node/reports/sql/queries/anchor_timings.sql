-- Anchors of a time, each with the first cosignature that covers it: one under a later head vouches for it too, one of a
-- time to come does not.
SELECT c.organization, c.to_seq, c.to_seq - c.from_seq + 1, c.block_number, c.transaction_id, c.record_key, c.recorded_at,
    w.recorded_at, w.block_number, w.transaction_id
FROM log.audit_record AS c
LEFT JOIN LATERAL (
    SELECT recorded_at, block_number, transaction_id
    FROM log.audit_record
    WHERE kind = 'cosignature' AND organization = c.organization AND to_seq >= c.to_seq
        AND (body::jsonb ->> 'time')::bigint <= %(until)s
    ORDER BY block_number, tx_number
    LIMIT 1
) AS w ON true
WHERE c.kind = 'checkpoint' AND c.recorded_at >= %(begins_at)s AND c.recorded_at < %(ends_at)s
ORDER BY c.organization, c.to_seq
