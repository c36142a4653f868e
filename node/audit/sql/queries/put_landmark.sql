INSERT INTO log.landmark (block_number, tx_number, kind, name) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING
