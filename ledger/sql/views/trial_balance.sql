-- Debit and credit balances for each asset in use: equal in sound books. To a tenant those of his accounts alone.
CREATE OR REPLACE VIEW ledger.trial_balance WITH (security_invoker = true) AS
SELECT asset.code AS asset,
    coalesce(sum(abs(side.debit_balance::numeric)) FILTER (WHERE side.debit_balance > 0), 0) AS debit,
    coalesce(sum(abs(side.debit_balance::numeric)) FILTER (WHERE side.debit_balance < 0), 0) AS credit,
    count(*) AS account_count
FROM ledger.whole_account AS account
JOIN ledger.asset ON asset.id = account.asset_id
CROSS JOIN LATERAL (
    SELECT CASE account.normal_side WHEN 1 THEN account.balance ELSE -account.balance END AS debit_balance
) AS side
GROUP BY asset.code;
