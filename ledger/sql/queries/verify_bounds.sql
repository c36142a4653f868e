-- Where the next range of entries ends: its last number, and how many rows are in it. And the entry before them all, the
-- newest one that is archived.
SELECT max(seq), count(*), ledger.archived_seq()
FROM (
    SELECT seq FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s ORDER BY seq LIMIT %(count)s
) AS page
