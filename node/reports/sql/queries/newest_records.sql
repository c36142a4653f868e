SELECT DISTINCT ON (organization) block_number, tx_number, namespace, record_key, kind, organization, transaction_id,
    recorded_at, from_seq, to_seq, signer, body
FROM log.audit_record
WHERE kind = %(kind)s AND recorded_at < %(before)s
ORDER BY organization, block_number DESC, tx_number DESC
