-- Where accounts stand and what they are called beside their references; metadata is null where an account has none.
CREATE OR REPLACE VIEW ledger.chart_account_view WITH (security_invoker = true) AS
SELECT account.id, account.reference, book.code AS book, portfolio.code AS portfolio, segment.code AS segment,
    account_metadata.pairs AS metadata,
    ARRAY(SELECT alias.alias FROM ledger.alias WHERE alias.account_id = account.id ORDER BY alias.alias) AS aliases
FROM ledger.account
LEFT JOIN ledger.account_place AS place ON place.account_id = account.id
JOIN ledger.book ON book.id = account.book_id
LEFT JOIN ledger.portfolio ON portfolio.id = place.portfolio_id
LEFT JOIN ledger.segment ON segment.id = place.segment_id
LEFT JOIN ledger.account_metadata ON account_metadata.account_id = account.id;
