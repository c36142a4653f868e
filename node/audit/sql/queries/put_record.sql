-- Of a record that its contract never replaces, the first writing stands: who could write another one against the
-- contract's word shall not have it shown instead.
INSERT INTO log.audit_record
    (block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body)
SELECT *
FROM (
    VALUES (
        %s::bigint, %s::integer, %s::text, %s::text, %s::text, %s::text, %s::text, %s::timestamptz, %s::bigint, %s::bigint,
        %s::text, %s::text
    )
) AS new (
    block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body
)
WHERE kind IN ('finding', 'flag', 'disclosure_key')
    OR NOT EXISTS (SELECT FROM log.audit_record AS known WHERE known.record_key = new.record_key)
ON CONFLICT DO NOTHING
RETURNING true
