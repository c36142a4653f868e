SELECT 1 FROM log.receipt WHERE block_number = %s AND statement_hash <> %s LIMIT 1
