INSERT INTO log.look (number, looked_at, actor, asked, shown, hash) VALUES (%s, %s, %s, %s, %s, %s)
