INSERT INTO log.saved_search (name, search, saved_by, saved_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET search = excluded.search, saved_by = excluded.saved_by, saved_at = excluded.saved_at
