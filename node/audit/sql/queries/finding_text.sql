SELECT salt, text FROM log.finding_text WHERE commitment = %s
