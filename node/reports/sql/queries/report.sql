SELECT number, kind, made_at, made_by, page, signature FROM log.report WHERE number = %s
