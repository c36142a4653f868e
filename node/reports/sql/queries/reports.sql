SELECT number, kind, made_at, made_by
FROM log.report WHERE %(kind)s::text = '' OR kind = %(kind)s
ORDER BY number DESC LIMIT %(limit)s
