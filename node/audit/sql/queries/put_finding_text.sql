INSERT INTO log.finding_text (commitment, salt, text) VALUES (%s, %s, %s)
