-- Cases by their newest item, after a place (its time, the case); the last of closed and reopened tells which.
SELECT
    first.case_id,
    first.note,
    first.added_by,
    first.added_at,
    newest.added_at,
    coalesce(
        (
            SELECT i.kind = 'closed' FROM log.case_item AS i
            WHERE i.case_id = first.case_id AND i.kind IN ('closed', 'reopened') ORDER BY i.number DESC LIMIT 1
        ),
        FALSE
    ),
    newest.number
FROM log.case_item AS first
CROSS JOIN LATERAL (
    SELECT i.number, i.added_at FROM log.case_item AS i WHERE i.case_id = first.case_id ORDER BY i.number DESC LIMIT 1
) AS newest
WHERE first.number = 1
    AND (%(before)s::timestamptz IS NULL OR (newest.added_at, first.case_id) < (%(before)s, %(case_id)s))
ORDER BY newest.added_at DESC, first.case_id DESC
LIMIT %(limit)s
