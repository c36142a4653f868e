SELECT number, kind, made_at, made_by
FROM log.report WHERE (%(kind)s::text = '' OR kind = %(kind)s) AND number < %(before)s
ORDER BY number DESC LIMIT %(limit)s
