SELECT segment.code
FROM ledger.segment
JOIN ledger.book ON book.id = segment.book_id
WHERE book.code = %s
ORDER BY segment.code
