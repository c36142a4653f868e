INSERT INTO log.opened_totals (organization, size, opened_at, totals, salt) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
