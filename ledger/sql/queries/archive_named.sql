-- What entries first .. last name by number, where the accounts and holds that they touch stood before them, and leaves of
-- entries outside that share a signed batch with entries inside: table and row (ledger/archive_writer.py has the columns).
WITH entry AS (
    SELECT * FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s
), account AS MATERIALIZED (
    SELECT account.* FROM ledger.account
    WHERE id IN (SELECT account_id FROM ledger.signed_posting WHERE seq BETWEEN %(first)s AND %(last)s)
), hold AS MATERIALIZED (
    SELECT hold.id, hold.account_id FROM ledger.hold WHERE id IN (SELECT hold_id FROM entry)
), batch AS (
    SELECT first_seq, last_seq FROM ledger.batch
    WHERE first_seq IN (
        (SELECT max(first_seq) FROM ledger.batch WHERE first_seq <= %(first)s),
        (SELECT max(first_seq) FROM ledger.batch WHERE first_seq <= %(last)s)
    )
), stored AS (
    SELECT entry.seq, entry.leaf FROM batch JOIN ledger.entry ON entry.seq BETWEEN batch.first_seq AND batch.last_seq
    UNION
    SELECT kept.seq, kept.leaf FROM batch JOIN ledger.past_key AS kept ON kept.seq BETWEEN batch.first_seq AND batch.last_seq
)
SELECT name, cells
FROM (
    SELECT 1 AS place, 'asset' AS name, id::bigint AS number, ARRAY[id::text, code, scale::text] AS cells
    FROM ledger.asset WHERE id IN (SELECT asset_id FROM account)
    UNION ALL
    SELECT 2, 'account', id, ARRAY[id::text, reference, asset_id::text, normal_side::text, stripe_of::text] FROM account
    UNION ALL
    SELECT 3, 'actor', id, ARRAY[id::text, name] FROM ledger.actor WHERE id IN (SELECT actor_id FROM entry)
    UNION ALL
    SELECT 4, 'hold', 0, ARRAY[id::text, account_id::text] FROM hold
    UNION ALL
    SELECT 5, 'account_opening', account_id,
        ARRAY[account_id::text, balance::text, last_seq::text, posting_count::text]
    FROM ledger.account_opening WHERE account_id IN (SELECT id FROM account)
    UNION ALL
    SELECT 6, 'hold_opening', 0, ARRAY[hold_id::text, captured::text, entry_seq::text]
    FROM ledger.hold_opening WHERE hold_id IN (SELECT id FROM hold)
    UNION ALL
    SELECT 7, 'leaf', seq, ARRAY[seq::text, leaf::text] FROM stored WHERE seq NOT BETWEEN %(first)s AND %(last)s
) AS named
ORDER BY place, number, cells
