SELECT block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body
FROM log.audit_record
WHERE kind = %(kind)s AND recorded_at >= %(begins_at)s AND recorded_at < %(ends_at)s
ORDER BY block_number, tx_number, record_key
