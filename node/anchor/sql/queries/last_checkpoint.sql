SELECT size, root, note, sealed_at FROM log.checkpoint ORDER BY size DESC LIMIT 1
