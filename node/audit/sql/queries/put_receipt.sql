INSERT INTO log.receipt (block_number, organization, statement_hash, received_at, receipt) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
