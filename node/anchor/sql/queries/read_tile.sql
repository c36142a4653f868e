SELECT hashes FROM log.tile WHERE level = %s AND index = %s
