SELECT name, search, saved_by, saved_at FROM log.saved_search ORDER BY name
