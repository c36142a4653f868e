-- Where the next range of entries ends: its last number, and how many rows are in it.
SELECT max(seq), count(*)
FROM (
    SELECT seq FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq LIMIT %(count)s
) AS page
