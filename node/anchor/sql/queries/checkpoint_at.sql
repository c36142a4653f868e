SELECT size, root, note, sealed_at FROM log.checkpoint WHERE size = %s
