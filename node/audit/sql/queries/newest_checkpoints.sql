-- The newest anchored head of every organization but one.
SELECT DISTINCT ON (organization) block_number, tx_number, namespace, record_key, kind, organization, transaction_id,
    recorded_at, from_seq, to_seq, signer, body
FROM log.audit_record
WHERE kind = 'checkpoint' AND organization <> %s
ORDER BY organization, to_seq DESC
