SELECT account.reference, coalesce((decides.rule).pattern, ''), refusal.code
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id
JOIN ledger.book ON book.id = account.book_id
-- OFFSET 0: the rule is looked for once, not wherever it is named.
CROSS JOIN LATERAL (SELECT ledger.chart_rule_of(book.id, account.reference) AS rule OFFSET 0) AS decides
CROSS JOIN LATERAL (
    SELECT ledger.chart_refusal(
        decides.rule, asset.code, account.normal_side, account.floor, account.overdraft
    ) AS code OFFSET 0
) AS refusal
WHERE book.code = %s AND account.reference > %s AND account.stripe_of IS NULL AND refusal.code IS NOT NULL
ORDER BY account.reference
LIMIT %s
