-- Sums dated postings made since the last call: blocks of p_block postings of one account, running totals inside each,
-- sums of 32 blocks each, and runs of the chain where all are dated. True when more is left. Reads and writes derived tables only, so it may run
-- at any time beside the writer, or never; whole blocks only, so each posting is counted once and summed once.
CREATE OR REPLACE FUNCTION ledger.snapshot_dated(p_block bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    c_seqs_max CONSTANT bigint := 1000000;
    c_run_min CONSTANT bigint := 16;
    v_from bigint;
    v_to bigint;
    v_newest bigint;
    v_account bigint[];
    v_blocks bigint[];
BEGIN
    SELECT seq INTO STRICT v_from FROM ledger.dated_progress FOR UPDATE;
    SELECT next_seq - 1 INTO STRICT v_newest FROM ledger.head;
    v_to := least(v_newest, v_from + c_seqs_max);
    IF v_to <= v_from THEN
        RETURN false;
    END IF;
    UPDATE ledger.dated_progress SET seq = v_to;

    WITH counted AS (
        INSERT INTO ledger.dated_pending AS pending (account_id, posting_count)
        SELECT account_id, count(*) FROM ledger.dated_posting WHERE seq > v_from AND seq <= v_to GROUP BY account_id
        ON CONFLICT (account_id) DO UPDATE SET posting_count = pending.posting_count + excluded.posting_count
        RETURNING pending.account_id, pending.posting_count
    )
    SELECT array_agg(account_id), array_agg(posting_count / p_block) INTO v_account, v_blocks
    FROM counted WHERE posting_count >= p_block;
    IF v_account IS NULL THEN
        RETURN v_to < v_newest;
    END IF;

    WITH due AS (
        SELECT given.account_id, given.blocks, coalesce(newest.last_seq, 0) AS last_seq,
            coalesce(newest.total, 0) AS total
        FROM unnest(v_account, v_blocks) AS given (account_id, blocks)
        LEFT JOIN LATERAL (
            SELECT block.last_seq, block.total FROM ledger.dated_block AS block
            WHERE block.account_id = given.account_id AND block.level = 0
            ORDER BY block.last_seq DESC LIMIT 1
        ) AS newest ON true
    ), posting AS MATERIALIZED (
        SELECT due.account_id, numbered.seq, numbered.effective_at, numbered.change, due.total,
            max(numbered.seq) OVER (PARTITION BY due.account_id, numbered.block) AS last_seq
        FROM due
        CROSS JOIN LATERAL (
            SELECT seq, effective_at, change, (row_number() OVER (ORDER BY seq) - 1) / p_block AS block
            FROM ledger.dated_posting
            WHERE dated_posting.account_id = due.account_id AND seq > due.last_seq AND seq <= v_to
        ) AS numbered
        WHERE numbered.block < due.blocks
    ), new_block AS (
        INSERT INTO ledger.dated_block (account_id, level, last_seq, total)
        SELECT account_id, 0, last_seq, total + sum(sum(change)) OVER (PARTITION BY account_id ORDER BY last_seq)
        FROM posting
        GROUP BY account_id, last_seq, total
    ), new_sum AS (
        INSERT INTO ledger.dated_sum (account_id, level, last_seq, effective_at, total)
        SELECT account_id, 0, last_seq, effective_at,
            sum(sum(change)) OVER (PARTITION BY account_id, last_seq ORDER BY effective_at)
        FROM posting
        GROUP BY account_id, last_seq, effective_at
    ), chained AS (
        SELECT posting.account_id, posting.seq, step.previous,
            step.previous IS DISTINCT FROM lag(posting.seq) OVER own AS begins
        FROM posting
        JOIN ledger.entry ON entry.seq = posting.seq
        CROSS JOIN LATERAL (
            SELECT CASE posting.account_id
                WHEN entry.debit_account THEN entry.debit_previous
                WHEN entry.credit_account THEN entry.credit_previous
                ELSE entry.posting_previous[array_position(entry.posting_account, posting.account_id)]
            END AS previous
        ) AS step
        WINDOW own AS (PARTITION BY posting.account_id ORDER BY posting.seq)
    ), run AS (
        SELECT account_id, seq, previous,
            count(*) FILTER (WHERE begins) OVER (PARTITION BY account_id ORDER BY seq) AS number
        FROM chained
    )
    INSERT INTO ledger.dated_run (account_id, last_seq, first_seq, previous_seq)
    SELECT account_id, max(seq), min(seq), min(previous)
    FROM run
    GROUP BY account_id, number
    HAVING count(*) >= c_run_min;
    PERFORM ledger.snapshot_blocks(v_account);

    UPDATE ledger.dated_pending AS pending
    SET posting_count = pending.posting_count - given.blocks * p_block
    FROM unnest(v_account, v_blocks) AS given (account_id, blocks)
    WHERE pending.account_id = given.account_id;
    RETURN v_to < v_newest;
END
$$;
