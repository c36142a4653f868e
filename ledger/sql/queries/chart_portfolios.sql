SELECT portfolio.code
FROM ledger.portfolio
JOIN ledger.book ON book.id = portfolio.book_id
WHERE book.code = %s
ORDER BY portfolio.code
