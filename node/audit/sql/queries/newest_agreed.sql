SELECT coalesce(max(own.block_number), 0)
FROM log.receipt AS own
JOIN log.receipt AS other USING (block_number, statement_hash)
WHERE own.organization = %s AND other.organization = %s
