INSERT INTO log.anchor_time (size, previous_size, committed_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
