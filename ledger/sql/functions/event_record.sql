-- Writes events into the caller's database transaction, each after the entry it followed; account 0 for none. Numbers count
-- the events given after the same entry, from 1. An event carries a hold, its amount and what remains of it, or a payload.
--
-- Called once the transaction's entries are appended and before they are settled: an event may follow any of them, or the
-- newest entry before them, and nothing older. So whatever is added sorts after all that anyone has seen: the order of the
-- outbox is the order of commits, because all of them stand in the head's line. Only after the newest entry of an earlier
-- commit may events stand already: there the numbers go on.
CREATE OR REPLACE FUNCTION ledger.record_events(
    p_epoch bigint, p_at timestamptz, p_seqs bigint[], p_numbers integer[], p_kinds text[], p_accounts bigint[],
    p_holds uuid[], p_amounts bigint[], p_remaining bigint[], p_payloads text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_newest bigint := coalesce((SELECT max(seq) FROM ledger.entry), 0);
    v_before integer := ledger.events_after_newest(v_head.signed_seq);
BEGIN
    IF cardinality(p_seqs) <> ANY (ARRAY[
        cardinality(p_numbers), cardinality(p_kinds), cardinality(p_accounts), cardinality(p_holds),
        cardinality(p_amounts), cardinality(p_remaining), cardinality(p_payloads)
    ]) THEN
        RAISE EXCEPTION 'columns of events differ in length' USING ERRCODE = 'DW003';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(p_seqs) AS given (seq)
        WHERE (given.seq BETWEEN v_head.signed_seq AND v_newest) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'events may follow entries % to % only', v_head.signed_seq, v_newest USING ERRCODE = 'DW003';
    END IF;
    INSERT INTO ledger.event (after_seq, number, kind, account_id, at, hold_id, amount, remaining, payload)
    SELECT given.seq, CASE given.seq WHEN v_head.signed_seq THEN v_before ELSE 0 END + given.number, given.kind,
        nullif(given.account_id, 0), p_at, given.hold_id,
        CASE WHEN given.hold_id IS NOT NULL THEN given.amount END,
        CASE WHEN given.hold_id IS NOT NULL THEN given.remaining END,
        given.payload::jsonb
    FROM (
        -- In the select list, unnest streams; in FROM it would store every column first.
        SELECT unnest(p_seqs) AS seq, unnest(p_numbers) AS number, unnest(p_kinds) AS kind,
            unnest(p_accounts) AS account_id, unnest(p_holds) AS hold_id, unnest(p_amounts) AS amount,
            unnest(p_remaining) AS remaining, unnest(p_payloads) AS payload
    ) AS given;
END
$$;

-- Writes events of holds as record_events does, by columns in runs: 128 or more, of a commit that has no others.
--
-- In SQL, whose arguments stay flat arrays: of one that PL/pgSQL unfolded, each stretch would be cut from a copy of the whole.
CREATE OR REPLACE FUNCTION ledger.record_hold_events(
    p_epoch bigint, p_at timestamptz, p_seqs bigint[], p_numbers integer[], p_kinds smallint[], p_accounts bigint[],
    p_holds uuid[], p_amounts bigint[], p_remaining bigint[]
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    INSERT INTO ledger.event_run (
        last_seq, last_number, first_number, at, after_seqs, kinds, account_ids, hold_ids, amounts, remaining
    )
    SELECT p_seqs[last], p_numbers[last] + CASE p_seqs[last] WHEN place.newest THEN place.before ELSE 0 END,
        p_numbers[first] + CASE p_seqs[first] WHEN place.newest THEN place.before ELSE 0 END, p_at,
        p_seqs[first:last], p_kinds[first:last], p_accounts[first:last], p_holds[first:last], p_amounts[first:last],
        p_remaining[first:last]
    FROM ledger.place_of_events(p_epoch, p_seqs) AS place
    CROSS JOIN LATERAL (SELECT cardinality(p_seqs) AS events, (cardinality(p_seqs) + 255) / 256 AS runs) AS given
    CROSS JOIN LATERAL (
        SELECT number * events / runs + 1 AS first, (number + 1) * events / runs AS last
        FROM generate_series(0, runs - 1) AS number
    ) AS stretch
$$;

-- Where events may be written: behind the newest entry that is settled, and how many events stand after that already.
CREATE OR REPLACE FUNCTION ledger.place_of_events(
    p_epoch bigint, p_seqs bigint[], OUT newest bigint, OUT before integer
)
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_last bigint := coalesce((SELECT max(seq) FROM ledger.entry), 0);
BEGIN
    IF p_seqs <> ARRAY(SELECT unnest(p_seqs) AS seq ORDER BY seq) THEN
        RAISE EXCEPTION 'events are not in the order of entries' USING ERRCODE = 'DW003';
    END IF;
    IF (p_seqs[1] >= v_head.signed_seq AND p_seqs[cardinality(p_seqs)] <= v_last) IS NOT TRUE THEN
        RAISE EXCEPTION 'events may follow entries % to % only', v_head.signed_seq, v_last USING ERRCODE = 'DW003';
    END IF;
    newest := v_head.signed_seq;
    before := ledger.events_after_newest(newest);
END
$$;

-- Writes one event after the newest entry, for other functions of the books; they hold the head's lock.
CREATE OR REPLACE FUNCTION ledger.add_event(
    p_kind text, p_account_id bigint, p_at timestamptz, p_payload jsonb
) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_seq bigint;
BEGIN
    SELECT next_seq - 1 INTO STRICT v_seq FROM ledger.head WHERE id = 1 FOR UPDATE;
    INSERT INTO ledger.event (after_seq, number, kind, account_id, at, payload)
    VALUES (v_seq, ledger.events_after_newest(v_seq) + 1, p_kind, p_account_id, p_at, p_payload);
END
$$;
