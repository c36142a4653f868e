INSERT INTO log.mirror_head (organization, size, root, verified_at) VALUES (%s, %s, %s, %s)
