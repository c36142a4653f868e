SELECT hashes FROM log.mirror_tile WHERE organization = %s AND level = %s AND index = %s
