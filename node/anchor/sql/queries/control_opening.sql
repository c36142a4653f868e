SELECT totals, salt, commitment FROM log.control_opening WHERE size = %s
