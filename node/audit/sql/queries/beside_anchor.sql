-- The oldest anchor that covers an entry.
LEFT JOIN LATERAL (
    SELECT block_number, tx_number, transaction_id, recorded_at, signer
    FROM log.audit_record
    WHERE kind = 'checkpoint' AND organization = e.organization AND to_seq >= e.seq
    ORDER BY to_seq
    LIMIT 1
) AS c ON true
