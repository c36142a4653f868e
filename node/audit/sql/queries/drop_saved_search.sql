DELETE FROM log.saved_search WHERE name = %s RETURNING name
