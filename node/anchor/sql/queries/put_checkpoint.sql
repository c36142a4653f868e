INSERT INTO log.checkpoint (size, root, note, sealed_at) VALUES (%s, %s, %s, %s)
