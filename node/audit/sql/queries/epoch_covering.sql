SELECT block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body
FROM log.audit_record
WHERE kind = 'epoch' AND organization = %s AND to_seq >= %s
ORDER BY to_seq LIMIT 1
