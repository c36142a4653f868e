SELECT array_to_string(code.parts[1:node.depth], ':') AS node, asset.code,
    coalesce(sum(side.debit_balance) FILTER (WHERE side.debit_balance > 0), 0),
    coalesce(sum(-side.debit_balance) FILTER (WHERE side.debit_balance < 0), 0),
    count(*)
FROM ledger.whole_account AS account
JOIN ledger.asset ON asset.id = account.asset_id
JOIN ledger.book ON book.id = account.book_id
CROSS JOIN LATERAL (SELECT string_to_array(account.reference, ':') AS parts) AS code
CROSS JOIN LATERAL generate_series(1, least(%s, cardinality(code.parts))) AS node (depth)
CROSS JOIN LATERAL (
    SELECT CASE account.normal_side WHEN 1 THEN account.balance ELSE -account.balance END::numeric AS debit_balance
) AS side
WHERE book.code = %s
GROUP BY node, asset.code
ORDER BY node, asset.code
