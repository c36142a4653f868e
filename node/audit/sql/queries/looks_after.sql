SELECT number, looked_at, actor, asked, shown, hash
FROM log.look WHERE number > %(after)s ORDER BY number LIMIT %(limit)s
