INSERT INTO log.fetched_demand (demand_id, fetched_at, package_hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
