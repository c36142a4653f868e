SELECT size, root, verified_at FROM log.mirror_head WHERE organization = %s ORDER BY size DESC LIMIT 1
