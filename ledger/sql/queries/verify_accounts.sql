-- A page of accounts with what else the books say of them.
SELECT account.id, left(account.reference, 65), account.asset_id, account.normal_side, account.balance,
    account.last_seq, account.posting_count, account.held, coalesce(placed.held, 0),
    account.terms = coalesce(history.changes, 0) AND account.terms = coalesce(history.newest, 0)
        AND (history.newest IS NULL OR ledger.account_terms(
            account.status, account.floor, account.overdraft, account.ceiling
        ) = (
            SELECT after FROM ledger.account_change AS change
            WHERE change.account_id = account.id AND change.number = account.terms
        )),
    (account.floor IS NULL OR account.balance - account.held >= account.floor - account.overdraft)
        AND (account.ceiling IS NULL OR account.balance <= account.ceiling),
    account.book_id IS NOT DISTINCT FROM coalesce(place.book_id, 1::smallint),
    CASE
        WHEN account.stripe_of IS NOT NULL THEN EXISTS (
            SELECT FROM ledger.account AS whole WHERE whole.id = account.stripe_of AND whole.stripes > 0
        )
        ELSE (
            SELECT account.stripes = count(*) AND coalesce(bool_and(
                (stripe.asset_id, stripe.normal_side, stripe.floor, stripe.book_id, stripe.shared)
                    IS NOT DISTINCT FROM
                    (account.asset_id, account.normal_side, account.floor, account.book_id, account.shared)
                AND split_part(stripe.reference, '#', 1) = account.reference
            ), true)
            FROM ledger.account AS stripe WHERE stripe.stripe_of = account.id
        )
    END
FROM (SELECT * FROM ledger.account WHERE id > %(after)s ORDER BY id LIMIT %(count)s) AS account
LEFT JOIN ledger.account_place AS place ON place.account_id = coalesce(account.stripe_of, account.id)
LEFT JOIN LATERAL (
    SELECT sum(amount - captured) AS held FROM ledger.hold WHERE hold.account_id = account.id AND state = 1
) AS placed ON true
LEFT JOIN LATERAL (
    SELECT count(*) AS changes, max(number) AS newest FROM ledger.account_change AS change
    WHERE change.account_id = account.id
) AS history ON true
ORDER BY account.id
