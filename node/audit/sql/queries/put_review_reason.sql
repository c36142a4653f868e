INSERT INTO log.review_reason (record_id, commitment, salt, reason) VALUES (%s, %s, %s, %s)
