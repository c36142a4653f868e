SELECT number, hash FROM log.look ORDER BY number DESC LIMIT 1
