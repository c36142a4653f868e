-- One row for each posting, with its side and a positive amount.
CREATE OR REPLACE VIEW ledger.posting_view AS
SELECT entry.seq, posting.number, account.id AS account_id, account.reference AS account, asset.code AS asset,
    CASE WHEN posting.amount > 0 THEN 1 ELSE 2 END AS side, abs(posting.amount) AS amount,
    posting.balance AS balance_after, entry.posted_at, entry.effective_at
FROM ledger.entry
CROSS JOIN LATERAL unnest(
    entry.posting_account, entry.posting_asset, entry.posting_amount, entry.posting_balance
) WITH ORDINALITY AS posting (account_id, asset_id, amount, balance, number)
JOIN ledger.account ON account.id = posting.account_id
JOIN ledger.asset ON asset.id = posting.asset_id;
