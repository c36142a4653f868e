-- One committing process per channel and database; the lock goes with the connection.
SELECT pg_try_advisory_lock(1667787118, %s::integer)
