-- One row for each posting, its amount signed by side (debit above zero), whichever form its entry has.
CREATE OR REPLACE VIEW ledger.signed_posting AS
SELECT entry.seq, posting.number, posting.account_id, posting.asset_id, posting.amount, posting.balance,
    posting.previous_seq, entry.posted_at, coalesce(entry.effective_at, entry.posted_at) AS effective_at, entry.reverses
FROM ledger.entry
CROSS JOIN LATERAL (
    SELECT 1::bigint, entry.debit_account, entry.asset_id, entry.amount, entry.debit_balance, entry.debit_previous
    WHERE entry.posting_amount IS NULL
    UNION ALL
    SELECT 2, entry.credit_account, entry.asset_id, -entry.amount, entry.credit_balance, entry.credit_previous
    WHERE entry.posting_amount IS NULL
    UNION ALL
    SELECT number, account_id, asset_id, amount, balance, previous_seq
    FROM unnest(
        entry.posting_account, entry.posting_asset, entry.posting_amount, entry.posting_balance,
        entry.posting_previous
    ) WITH ORDINALITY AS listed (account_id, asset_id, amount, balance, previous_seq, number)
) AS posting (number, account_id, asset_id, amount, balance, previous_seq);

-- One row for each posting, with its side and a positive amount. To a tenant his own legs, of whatever entry. A barrier:
-- nothing a reader adds to his query is asked of rows that are not his.
CREATE OR REPLACE VIEW ledger.posting_view WITH (security_barrier = true) AS
SELECT posting.seq, posting.number, account.id AS account_id, account.reference AS account, asset.code AS asset,
    CASE WHEN posting.amount > 0 THEN 1 ELSE 2 END AS side, abs(posting.amount) AS amount,
    posting.balance AS balance_after, posting.posted_at, posting.effective_at, posting.previous_seq
FROM ledger.signed_posting AS posting
JOIN ledger.account ON account.id = posting.account_id
JOIN ledger.asset ON asset.id = posting.asset_id
WHERE (SELECT ledger.sees_all()) OR account.book_id = ANY ((SELECT ledger.tenant_books())::smallint[]);
