INSERT INTO log.control_opening (size, totals, salt, commitment) VALUES (%s, %s, %s, %s) ON CONFLICT (size) DO NOTHING
