-- The oldest anchored head that covers an entry, preferring one that another member cosigned.
SELECT c.block_number, c.tx_number, c.namespace, c.record_key, c.kind, c.organization, c.transaction_id, c.recorded_at,
    c.from_seq, c.to_seq, c.signer, c.body
FROM log.audit_record c
WHERE c.kind = 'checkpoint' AND c.organization = %(organization)s AND c.to_seq >= %(seq)s
    AND (
        NOT %(attested)s
        OR EXISTS (
            SELECT 1 FROM log.audit_record w
            WHERE w.kind = 'cosignature' AND w.organization = c.organization AND w.to_seq = c.to_seq
                AND (w.body::jsonb ->> 'time')::bigint <= %(until)s
        )
    )
ORDER BY c.to_seq LIMIT 1
