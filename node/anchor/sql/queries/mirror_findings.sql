SELECT size, explanation, found_at FROM log.mirror_finding WHERE organization = %s ORDER BY size, found_at
