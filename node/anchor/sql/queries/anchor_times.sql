SELECT size, previous_size, committed_at FROM log.anchor_time ORDER BY size DESC LIMIT %s
