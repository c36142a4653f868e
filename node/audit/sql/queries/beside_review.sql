-- What a reviewer decided about an entry.
LEFT JOIN LATERAL (
    SELECT body::jsonb ->> 'decision' AS decision, signer
    FROM log.audit_record
    WHERE record_key = 'review~' || {decision_id}
    ORDER BY block_number DESC, tx_number DESC
    LIMIT 1
) AS review ON true
