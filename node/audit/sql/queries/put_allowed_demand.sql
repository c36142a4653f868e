INSERT INTO log.allowed_demand (demand_id, allowed_by, allowed_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
