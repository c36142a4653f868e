INSERT INTO log.report (kind, made_at, made_by, page, signature) VALUES (%s, %s, %s, %s, %s) RETURNING number
