-- Accounts as callers know them: a striped one is the sum of its stripes, which are left out. To a tenant his own.
CREATE OR REPLACE VIEW ledger.whole_account WITH (security_invoker = true) AS
SELECT account.id, account.reference, account.asset_id, account.book_id, account.normal_side, account.status,
    account.held, account.floor, account.overdraft, account.ceiling, account.terms, account.opened_at, account.stripes,
    CASE account.stripes WHEN 0 THEN account.balance ELSE striped.balance END AS balance,
    CASE account.stripes WHEN 0 THEN account.posting_count ELSE striped.posting_count END AS posting_count
FROM ledger.account
LEFT JOIN LATERAL (
    SELECT sum(stripe.balance)::bigint AS balance, sum(stripe.posting_count)::bigint AS posting_count
    FROM ledger.account AS stripe
    WHERE account.stripes > 0 AND stripe.stripe_of = account.id
) AS striped ON true
WHERE account.stripe_of IS NULL;

-- Accounts as they stand.
CREATE OR REPLACE VIEW ledger.account_view WITH (security_invoker = true) AS
SELECT account.id, account.reference, asset.code AS asset, asset.scale, account.normal_side,
    CASE account.status WHEN 1 THEN 'open' WHEN 2 THEN 'frozen' ELSE 'closed' END AS status,
    account.balance, account.held, account.floor, account.posting_count, account.opened_at, account.overdraft,
    account.ceiling, account.terms, account.stripes
FROM ledger.whole_account AS account
JOIN ledger.asset ON asset.id = account.asset_id;
