SELECT bundle FROM log.disclosed_entry WHERE organization = %s AND seq = %s
