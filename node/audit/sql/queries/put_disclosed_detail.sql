INSERT INTO log.disclosed_detail (organization, seq, demand_id, disclosed_at, sealed) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
