-- Writes events into the caller's database transaction, each after the entry it followed; account 0 for none.
--
-- Called once the transaction's entries are appended and before they are settled: an event may follow any of them, or the
-- newest entry before them, and nothing older. So whatever is added sorts after all that anyone has seen: the order of the
-- outbox is the order of commits, because all of them stand in the head's line.
CREATE OR REPLACE FUNCTION ledger.record_events(
    p_epoch bigint, p_at timestamptz, p_seqs bigint[], p_kinds text[], p_accounts bigint[], p_payloads text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_newest bigint := coalesce((SELECT max(seq) FROM ledger.entry), 0);
BEGIN
    IF cardinality(p_kinds) <> cardinality(p_seqs) OR cardinality(p_accounts) <> cardinality(p_seqs)
        OR cardinality(p_payloads) <> cardinality(p_seqs) THEN
        RAISE EXCEPTION 'columns of events differ in length' USING ERRCODE = 'DW003';
    END IF;
    IF EXISTS (
        SELECT FROM unnest(p_seqs) AS given (seq)
        WHERE (given.seq BETWEEN v_head.signed_seq AND v_newest) IS NOT TRUE
    ) THEN
        RAISE EXCEPTION 'events may follow entries % to % only', v_head.signed_seq, v_newest USING ERRCODE = 'DW003';
    END IF;
    INSERT INTO ledger.event (after_seq, number, kind, account_id, at, payload)
    WITH known AS MATERIALIZED (
        -- From the end of the primary key: many events may follow one entry.
        SELECT followed.seq, coalesce((
            SELECT event.number FROM ledger.event
            WHERE event.after_seq = followed.seq
            ORDER BY event.after_seq DESC, event.number DESC
            LIMIT 1
        ), 0) AS number
        FROM (SELECT DISTINCT unnest(p_seqs) AS seq) AS followed
    )
    SELECT given.seq, known.number + row_number() OVER (PARTITION BY given.seq ORDER BY given.place),
        given.kind, nullif(given.account_id, 0), p_at, given.payload::jsonb
    FROM unnest(p_seqs, p_kinds, p_accounts, p_payloads) WITH ORDINALITY
        AS given (seq, kind, account_id, payload, place)
    JOIN known ON known.seq = given.seq;
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
    SELECT v_seq, coalesce(max(number), 0) + 1, p_kind, p_account_id, p_at, p_payload
    FROM ledger.event
    WHERE after_seq = v_seq;
END
$$;
