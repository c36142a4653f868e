-- Accounts as they stand; to a tenant his own.
CREATE OR REPLACE VIEW ledger.account_view WITH (security_invoker = true) AS
SELECT account.id, account.reference, asset.code AS asset, asset.scale, account.normal_side,
    CASE account.status WHEN 1 THEN 'open' WHEN 2 THEN 'frozen' ELSE 'closed' END AS status,
    account.balance, account.held, account.floor, account.posting_count, account.opened_at, account.overdraft,
    account.ceiling, account.terms
FROM ledger.account
JOIN ledger.asset ON asset.id = account.asset_id;
