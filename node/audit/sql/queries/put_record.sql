INSERT INTO log.audit_record
    (block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
