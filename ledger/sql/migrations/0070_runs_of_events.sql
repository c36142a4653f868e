-- Why: a busy hour places and captures thousands of holds a commit, and nearly all that happens beside postings is that. A
-- row with a key for each cost the server 2 microseconds; up to 256 of them in one row, by columns, cost a tenth.
CREATE TABLE ledger.event_run (
    last_seq bigint NOT NULL,
    last_number integer NOT NULL,
    first_number integer NOT NULL CHECK (first_number > 0),
    at timestamptz NOT NULL CHECK (isfinite(at)),
    after_seqs bigint[] NOT NULL CHECK (0 <= ALL (after_seqs)),
    kinds smallint[] NOT NULL CHECK (1 <= ALL (kinds) AND 4 >= ALL (kinds)),
    account_ids bigint[] NOT NULL,
    hold_ids uuid[] NOT NULL,
    amounts bigint[] NOT NULL CHECK (0 < ALL (amounts)),
    remaining bigint[] NOT NULL CHECK (0 <= ALL (remaining)),
    PRIMARY KEY (last_seq, last_number),
    CHECK (last_seq = after_seqs[cardinality(after_seqs)]),
    CONSTRAINT event_run_columns CHECK (
        cardinality(after_seqs) = ALL (ARRAY[
            cardinality(kinds), cardinality(account_ids), cardinality(hold_ids), cardinality(amounts),
            cardinality(remaining)
        ])
    ),
    -- A comparison with null refuses nothing.
    CONSTRAINT event_run_nulls CHECK (
        num_nonnulls(
            array_position(after_seqs, NULL), array_position(kinds, NULL), array_position(account_ids, NULL),
            array_position(hold_ids, NULL), array_position(amounts, NULL), array_position(remaining, NULL)
        ) = 0
    ),
    -- Who reads a page knows by that how many runs can hold it.
    CONSTRAINT event_run_length CHECK (cardinality(after_seqs) BETWEEN 128 AND 256)
);
COMMENT ON TABLE ledger.event_run IS 'events of holds by columns, in their order; one commit''s never among another''s';
COMMENT ON COLUMN ledger.event_run.last_seq IS 'with last_number: where the last of them stands';
COMMENT ON COLUMN ledger.event_run.first_number IS 'of the first among the events after the same entry; the others count on';
COMMENT ON COLUMN ledger.event_run.after_seqs IS 'of each, the newest entry when it happened; never falling';
COMMENT ON COLUMN ledger.event_run.kinds IS '1 hold.placed, 2 hold.captured, 3 hold.released, 4 hold.expired';
CREATE TRIGGER event_run_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event_run
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
-- Compressing them is tried in vain and costs more than it could save.
ALTER TABLE ledger.event_run
    ALTER COLUMN after_seqs SET STORAGE EXTERNAL,
    ALTER COLUMN kinds SET STORAGE EXTERNAL,
    ALTER COLUMN account_ids SET STORAGE EXTERNAL,
    ALTER COLUMN hold_ids SET STORAGE EXTERNAL,
    ALTER COLUMN amounts SET STORAGE EXTERNAL,
    ALTER COLUMN remaining SET STORAGE EXTERNAL;
