-- Times that no clock shows are left out: they measure nothing.
SELECT size, previous_size, committed_at
FROM log.anchor_time
WHERE committed_at BETWEEN '2000-01-01 00:00:00+00' AND '9000-01-01 00:00:00+00'
ORDER BY size DESC
LIMIT %s
