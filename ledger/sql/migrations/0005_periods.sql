-- Why: balances at any two times, and periods that close. Everything marked "derived" only makes answers faster: it may
-- lag behind the entries or be emptied, and no answer changes (docs/balances-in-time.md).

-- Indexes ------------------------------------------------------------------------------------------------------------
CREATE INDEX mark_by_seq ON ledger.mark (account_id, seq);
CREATE INDEX dated_posting_by_seq ON ledger.dated_posting (account_id, seq) INCLUDE (effective_at, change);
-- Rows arrive in the order of seq: a few bytes for each range of pages find the newest ones.
CREATE INDEX dated_posting_newest ON ledger.dated_posting USING brin (seq) WITH (pages_per_range = 16);
CREATE TRIGGER dated_posting_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.dated_posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Dated postings of entries from before there was a table for them, and marks on their accounts' chains.
WITH posting AS (
    SELECT entry.seq, entry.posted_at, entry.effective_at, posting.account_id, posting.number,
        posting.amount::numeric * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END AS change
    FROM ledger.entry
    CROSS JOIN LATERAL unnest(entry.posting_account, entry.posting_amount)
        WITH ORDINALITY AS posting (account_id, amount, number)
    JOIN ledger.account ON account.id = posting.account_id
    WHERE entry.form = 1
), dated AS (
    INSERT INTO ledger.dated_posting (account_id, effective_at, seq, posted_at, change)
    SELECT account_id, effective_at, seq, posted_at, sum(change)
    FROM posting
    WHERE effective_at <> posted_at
    GROUP BY account_id, effective_at, seq, posted_at
    ON CONFLICT DO NOTHING
), counted AS (
    SELECT account_id, seq, posted_at, count(*) AS own,
        sum(count(*)) OVER (PARTITION BY account_id ORDER BY seq) AS number
    FROM posting
    GROUP BY account_id, seq, posted_at
)
INSERT INTO ledger.mark (account_id, number, seq, posted_at)
SELECT account_id, number, seq, posted_at
FROM counted
WHERE div(number, 64) > div(number - own, 64)
ON CONFLICT DO NOTHING;

-- Sums of dated postings: derived -------------------------------------------------------------------------------------
-- A block is a run of one account's dated postings in the order of posting, ended by last_seq. Blocks of level 0 sum
-- postings, blocks of level 1 sum those of level 0.
CREATE TABLE ledger.dated_block (
    account_id bigint NOT NULL,
    level smallint NOT NULL CHECK (level IN (0, 1)),
    last_seq bigint NOT NULL,
    total numeric NOT NULL,
    PRIMARY KEY (account_id, level, last_seq) INCLUDE (total)
);
COMMENT ON COLUMN ledger.dated_block.total IS 'sum of the account''s dated postings from the first to the block''s last';

CREATE TABLE ledger.dated_sum (
    account_id bigint NOT NULL,
    level smallint NOT NULL,
    last_seq bigint NOT NULL,
    effective_at timestamptz NOT NULL,
    total numeric NOT NULL,
    PRIMARY KEY (account_id, level, last_seq, effective_at) INCLUDE (total)
);
COMMENT ON COLUMN ledger.dated_sum.total IS 'sum of the block''s postings that count for effective_at or before';

-- Stretches of an account's chain where every posting is dated: a walk in the order of effect leaps over them.
CREATE TABLE ledger.dated_run (
    account_id bigint NOT NULL,
    last_seq bigint NOT NULL,
    first_seq bigint NOT NULL,
    previous_seq bigint NOT NULL,
    PRIMARY KEY (account_id, last_seq)
);
COMMENT ON COLUMN ledger.dated_run.previous_seq IS 'the account''s entry before first_seq; 0 for none';

CREATE TABLE ledger.dated_pending (
    account_id bigint PRIMARY KEY,
    posting_count bigint NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.dated_pending IS 'dated postings counted up to dated_progress that stand in no block yet';

CREATE TABLE ledger.dated_progress (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    seq bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);
INSERT INTO ledger.dated_progress DEFAULT VALUES;

-- Periods -------------------------------------------------------------------------------------------------------------
CREATE TABLE ledger.period (
    number integer PRIMARY KEY CHECK (number > 0),
    opened_at timestamptz NOT NULL,
    closed_before timestamptz NOT NULL CHECK (isfinite(closed_before)),
    closed_at timestamptz NOT NULL,
    last_seq bigint NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    CHECK (closed_before > opened_at)
);
COMMENT ON COLUMN ledger.period.opened_at IS 'first moment the period counts for: where the one before was closed';
COMMENT ON COLUMN ledger.period.closed_before IS 'entries that count for an earlier time are refused from here on';
COMMENT ON COLUMN ledger.period.last_seq IS 'newest entry when the period was closed';

CREATE TABLE ledger.period_report (
    number integer PRIMARY KEY REFERENCES ledger.period,
    reported_at timestamptz NOT NULL,
    entry_count bigint NOT NULL,
    lines jsonb NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32)
);
COMMENT ON COLUMN ledger.period_report.lines IS 'trial balance and turnover of each asset, in the order of codes';

CREATE TABLE ledger.period_reopening (
    number integer PRIMARY KEY REFERENCES ledger.period,
    reopened_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500)
);

CREATE TRIGGER period_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.period
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER period_report_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.period_report
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER period_reopening_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.period_reopening
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

DROP FUNCTION IF EXISTS ledger.statement_page(bigint, bigint, integer);
