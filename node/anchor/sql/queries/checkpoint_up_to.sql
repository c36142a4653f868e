SELECT size, root, note, sealed_at FROM log.checkpoint WHERE size <= %s ORDER BY size DESC LIMIT 1
