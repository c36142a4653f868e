INSERT INTO log.mirror_tile (organization, level, index, hashes) VALUES (%s, %s, %s, %s)
ON CONFLICT (organization, level, index) DO UPDATE SET hashes = excluded.hashes
