SELECT count(*) FROM log.disclosed_entry WHERE organization = %s
