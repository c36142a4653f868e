SELECT change.number, change.at, change.actor, change.what
FROM ledger.chart_change AS change
JOIN ledger.book ON book.id = change.book_id
WHERE book.code = %s AND change.number > %s
ORDER BY change.number
LIMIT %s
