INSERT INTO log.given_disclosure (demand_id, given_at, package_hash) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING
