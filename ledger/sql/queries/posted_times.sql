-- Times that no clock shows are left out: they measure nothing.
SELECT posted_at
FROM ledger.entry
WHERE seq BETWEEN %s AND %s AND posted_at BETWEEN '2000-01-01 00:00:00+00' AND '9000-01-01 00:00:00+00'
ORDER BY seq
