-- The newest writing of one record.
SELECT block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body
FROM log.audit_record WHERE record_key = %s ORDER BY block_number DESC, tx_number DESC LIMIT 1
