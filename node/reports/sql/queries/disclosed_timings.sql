SELECT e.organization, e.seq, e.posted_at, c.recorded_at, c.block_number, c.transaction_id
FROM log.disclosed_entry AS e
JOIN LATERAL (
    SELECT recorded_at, block_number, transaction_id
    FROM log.audit_record
    WHERE kind = 'checkpoint' AND organization = e.organization AND to_seq >= e.seq
    ORDER BY to_seq
    LIMIT 1
) AS c ON true
WHERE c.recorded_at >= %(begins_at)s AND c.recorded_at < %(ends_at)s
ORDER BY e.organization, e.seq
