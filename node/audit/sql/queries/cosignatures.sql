SELECT block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body
FROM log.audit_record
WHERE kind = 'cosignature' AND organization = %s AND to_seq = %s AND (body::jsonb ->> 'time')::bigint <= %s
ORDER BY record_key
