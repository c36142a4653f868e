INSERT INTO log.mirror_finding (organization, size, explanation, found_at) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
