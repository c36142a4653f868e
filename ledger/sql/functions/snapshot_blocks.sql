-- Sums each 32 blocks of level 0 of these accounts into one of level 1, as far as they are whole.
CREATE OR REPLACE FUNCTION ledger.snapshot_blocks(p_account bigint[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH lower AS MATERIALIZED (
        SELECT account_id, last_seq, total, max(last_seq) OVER own AS upper_seq, count(*) OVER own AS count
        FROM (
            SELECT block.account_id, block.last_seq, block.total, (
                row_number() OVER (PARTITION BY block.account_id ORDER BY block.last_seq) - 1
            ) / 32 AS place
            FROM unnest(p_account) AS given (account_id)
            JOIN ledger.dated_block AS block ON block.account_id = given.account_id AND block.level = 0
                AND block.last_seq > coalesce((
                    SELECT max(upper.last_seq) FROM ledger.dated_block AS upper
                    WHERE upper.account_id = given.account_id AND upper.level = 1
                ), 0)
        ) AS placed
        WINDOW own AS (PARTITION BY account_id, place)
    ), upper AS (
        INSERT INTO ledger.dated_block (account_id, level, last_seq, total)
        SELECT account_id, 1, last_seq, total FROM lower WHERE count = 32 AND last_seq = upper_seq
    ), change AS (
        SELECT lower.account_id, lower.upper_seq, part.effective_at,
            part.total - lag(part.total, 1, 0::numeric) OVER (
                PARTITION BY lower.account_id, lower.last_seq ORDER BY part.effective_at
            ) AS change
        FROM lower
        JOIN ledger.dated_sum AS part
            ON part.account_id = lower.account_id AND part.level = 0 AND part.last_seq = lower.last_seq
        WHERE lower.count = 32
    )
    INSERT INTO ledger.dated_sum (account_id, level, last_seq, effective_at, total)
    SELECT account_id, 1, upper_seq, effective_at,
        sum(sum(change)) OVER (PARTITION BY account_id, upper_seq ORDER BY effective_at)
    FROM change
    GROUP BY account_id, upper_seq, effective_at
$$;
