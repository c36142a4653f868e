SELECT number, looked_at, actor, asked, shown, hash
FROM log.look WHERE number < %(before)s ORDER BY number DESC LIMIT %(limit)s
