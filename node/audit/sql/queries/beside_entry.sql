-- Whether another member vouches for an entry, and what a reviewer decided about it.
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM log.audit_record
        WHERE kind = 'cosignature' AND organization = e.organization AND to_seq >= e.seq
    ) AS yes
) AS attested
LEFT JOIN LATERAL (
    SELECT body::jsonb ->> 'decision' AS decision, signer
    FROM log.audit_record
    WHERE record_key = 'review~' || {decision_id}
    ORDER BY block_number DESC, tx_number DESC
    LIMIT 1
) AS review ON true
