-- The kind of an event for which a number stands in a run. Without settings of its own: it is planned as part of what asks.
CREATE OR REPLACE FUNCTION ledger.event_kind(p_number smallint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT ('{hold.placed,hold.captured,hold.released,hold.expired}'::text[])[p_number]
$$;

-- The events of a run, each at its place.
CREATE OR REPLACE FUNCTION ledger.run_events(p_run ledger.event_run) RETURNS TABLE (
    after_seq bigint, number integer, kind text, account_id bigint, at timestamptz, hold_id uuid, amount bigint,
    remaining bigint
)
LANGUAGE sql IMMUTABLE SET search_path = ledger, pg_temp AS $$
    SELECT seq,
        row_number() OVER (PARTITION BY seq ORDER BY place)::integer
            + CASE seq WHEN (p_run.after_seqs)[1] THEN p_run.first_number - 1 ELSE 0 END,
        ledger.event_kind(kind), account_id, p_run.at, hold_id, amount, remaining
    FROM (
        -- In the select list, unnest streams; in FROM it would store every column first.
        SELECT unnest(p_run.after_seqs) AS seq, unnest(p_run.kinds) AS kind, unnest(p_run.account_ids) AS account_id,
            unnest(p_run.hold_ids) AS hold_id, unnest(p_run.amounts) AS amount, unnest(p_run.remaining) AS remaining,
            generate_series(1, cardinality(p_run.after_seqs)) AS place
    ) AS given
$$;

-- The first p_count events of holds that stand in runs, behind a position.
CREATE OR REPLACE FUNCTION ledger.run_events_behind(p_seq bigint, p_number integer, p_count integer) RETURNS TABLE (
    after_seq bigint, number integer, kind text, account_id bigint, at timestamptz, hold_id uuid, amount bigint,
    remaining bigint
)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT event.*
    FROM (
        SELECT *
        FROM ledger.event_run
        WHERE (last_seq, last_number) > (p_seq, p_number)
        ORDER BY last_seq, last_number
        -- The first may stand behind the position with its last event only; each other has 128 at least.
        LIMIT 2 + p_count / 128
    ) AS run
    CROSS JOIN LATERAL ledger.run_events(run.*) AS event
    WHERE (event.after_seq, event.number) > (p_seq, p_number)
    ORDER BY event.after_seq, event.number
    LIMIT p_count
$$;

-- The events of holds that stand in runs and follow the entries p_first to p_last.
CREATE OR REPLACE FUNCTION ledger.run_events_after(p_first bigint, p_last bigint) RETURNS TABLE (
    after_seq bigint, number integer, kind text, account_id bigint, at timestamptz, hold_id uuid, amount bigint,
    remaining bigint
)
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT event.*
    FROM (
        SELECT * FROM ledger.event_run WHERE last_seq BETWEEN p_first AND p_last
        UNION ALL
        -- One that ends behind them may begin among them.
        (SELECT * FROM ledger.event_run WHERE last_seq > p_last ORDER BY last_seq, last_number LIMIT 1)
    ) AS run
    CROSS JOIN LATERAL ledger.run_events(ROW(run.*)::ledger.event_run) AS event
    WHERE event.after_seq BETWEEN p_first AND p_last
$$;

-- How many events stand after an entry that no later one's events follow yet.
CREATE OR REPLACE FUNCTION ledger.events_after_newest(p_seq bigint) RETURNS integer
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT greatest(
        (SELECT max(number) FROM ledger.event WHERE after_seq = p_seq),
        (SELECT max(last_number) FROM ledger.event_run WHERE last_seq = p_seq),
        0
    )
$$;
