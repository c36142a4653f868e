-- Why: statements of other banks are held against the books; what was received, matched and decided is history too.
--
-- A record's change is on the account's normal side: above zero raises its balance, as the statement says. Members of
-- a match stand in rows of their own, so that the database itself keeps each of them out of a second one.

CREATE TABLE ledger.statement_file (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    format text NOT NULL CHECK (format IN ('csv', 'camt.053', 'mt940')),
    imported_at timestamptz NOT NULL,
    imported_by text NOT NULL CHECK (char_length(imported_by) BETWEEN 1 AND 100)
);
COMMENT ON COLUMN ledger.statement_file.digest IS 'SHA-256 of the file as received';

CREATE TABLE ledger.external_statement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id bigint NOT NULL REFERENCES ledger.statement_file,
    account_id bigint NOT NULL REFERENCES ledger.account,
    reference text NOT NULL CHECK (char_length(reference) BETWEEN 1 AND 140),
    first_day date NOT NULL,
    last_day date NOT NULL,
    opening bigint CHECK (abs(opening) < 4611686018427387904),
    closing bigint CHECK (abs(closing) < 4611686018427387904),
    record_count int NOT NULL CHECK (record_count >= 0),
    UNIQUE (account_id, reference),
    CHECK (first_day <= last_day AND isfinite(first_day) AND isfinite(last_day)),
    CHECK ((opening IS NULL) = (closing IS NULL))
);
COMMENT ON COLUMN ledger.external_statement.record_count IS 'records the sender listed, known ones included';

CREATE TABLE ledger.external_record (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    statement_id bigint NOT NULL REFERENCES ledger.external_statement,
    account_id bigint NOT NULL REFERENCES ledger.account,
    key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 200),
    number int NOT NULL CHECK (number > 0),
    change bigint NOT NULL CHECK (change <> 0 AND abs(change) < 4611686018427387904),
    value_day date NOT NULL CHECK (isfinite(value_day)),
    booking_day date NOT NULL CHECK (isfinite(booking_day)),
    reference text[] NOT NULL CHECK (array_position(reference, NULL) IS NULL AND cardinality(reference) <= 1000),
    UNIQUE (account_id, key)
);
COMMENT ON COLUMN ledger.external_record.number IS 'line of the file, or place in the statement';
CREATE INDEX external_record_by_statement ON ledger.external_record (statement_id);

-- Names and text of the other party stand apart, so that they can be erased while the record stays.
CREATE TABLE ledger.external_party (
    record_id bigint PRIMARY KEY REFERENCES ledger.external_record,
    party text NOT NULL CHECK (char_length(party) BETWEEN 1 AND 2000)
);

CREATE TABLE ledger.reconciliation_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ran_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (char_length(actor) BETWEEN 1 AND 100),
    rules jsonb NOT NULL,
    account_count int NOT NULL,
    matched int NOT NULL,
    opened int NOT NULL,
    cleared int NOT NULL,
    CHECK (matched > 0 OR opened > 0 OR cleared > 0)
);

CREATE TABLE ledger.reconciliation_match (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES ledger.account,
    run_id bigint REFERENCES ledger.reconciliation_run,
    number int,
    rule text NOT NULL CHECK (char_length(rule) BETWEEN 1 AND 64),
    difference bigint NOT NULL,
    tolerance bigint NOT NULL CHECK (tolerance >= 0),
    matched_at timestamptz NOT NULL,
    dissolved_at timestamptz,
    UNIQUE (run_id, number),
    CHECK (abs(difference::numeric) <= tolerance),
    CHECK ((run_id IS NULL) = (number IS NULL) AND (run_id IS NOT NULL OR tolerance = 0))
);
COMMENT ON COLUMN ledger.reconciliation_match.run_id IS 'the run that found it; none when a person decided it';
COMMENT ON COLUMN ledger.reconciliation_match.number IS 'place among the matches of the run';

CREATE TABLE ledger.match_record (
    match_id bigint NOT NULL REFERENCES ledger.reconciliation_match,
    record_id bigint NOT NULL REFERENCES ledger.external_record,
    live boolean NOT NULL DEFAULT true,
    PRIMARY KEY (match_id, record_id)
);
CREATE UNIQUE INDEX record_in_one_match ON ledger.match_record (record_id) WHERE live;

CREATE TABLE ledger.match_posting (
    match_id bigint NOT NULL REFERENCES ledger.reconciliation_match,
    seq bigint NOT NULL,
    number smallint NOT NULL,
    live boolean NOT NULL DEFAULT true,
    PRIMARY KEY (match_id, seq, number)
);
CREATE UNIQUE INDEX posting_in_one_match ON ledger.match_posting (seq, number) WHERE live;

CREATE TABLE ledger.reconciliation_exception (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES ledger.account,
    run_id bigint NOT NULL REFERENCES ledger.reconciliation_run,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 6),
    record_id bigint[] NOT NULL,
    posting_seq bigint[] NOT NULL,
    posting_number smallint[] NOT NULL,
    difference bigint NOT NULL,
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    state smallint NOT NULL DEFAULT 1 CHECK (state BETWEEN 1 AND 5),
    opened_at timestamptz NOT NULL,
    cleared_run_id bigint REFERENCES ledger.reconciliation_run,
    CHECK (cardinality(posting_seq) = cardinality(posting_number)),
    CHECK (cardinality(record_id) + cardinality(posting_seq) > 0),
    CHECK ((state = 5) = (cleared_run_id IS NOT NULL))
);
COMMENT ON COLUMN ledger.reconciliation_exception.kind IS
    '1 missing_in_books, 2 missing_on_statement, 3 amount_differs, 4 date_out_of_window, 5 ambiguous, 6 taken_apart';
COMMENT ON COLUMN ledger.reconciliation_exception.state IS
    '1 open, 2 explained, 3 matched_by_hand, 4 written_off, 5 cleared by a later run';
-- Members of these stay out of every run until a person decides them.
CREATE INDEX exception_taken_apart ON ledger.reconciliation_exception (account_id) WHERE kind = 6 AND state IN (1, 2);
CREATE UNIQUE INDEX exception_stands_once ON ledger.reconciliation_exception (account_id, fingerprint)
    WHERE state IN (1, 2);

-- What a run hands over: a match (rule, tolerance) or an exception (kind) with its members.
CREATE TYPE ledger.reconciliation_group AS (
    number int,
    account_id bigint,
    kind smallint,
    rule text,
    tolerance bigint,
    record_id bigint[],
    posting_seq bigint[],
    posting_number smallint[],
    difference bigint,
    fingerprint bytea
);

CREATE TABLE ledger.reconciliation_decision (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exception_id bigint NOT NULL REFERENCES ledger.reconciliation_exception,
    decision smallint NOT NULL CHECK (decision BETWEEN 1 AND 5),
    actor text NOT NULL CHECK (char_length(actor) BETWEEN 1 AND 100),
    decided_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 500),
    entry_seq bigint,
    match_id bigint REFERENCES ledger.reconciliation_match,
    CHECK ((decision = 3) = (entry_seq IS NOT NULL)),
    CHECK ((decision IN (2, 3, 5)) = (match_id IS NOT NULL))
);
COMMENT ON COLUMN ledger.reconciliation_decision.decision IS
    '1 explained, 2 matched_by_hand, 3 written_off, 4 reopened, 5 taken_apart';
CREATE INDEX decision_by_exception ON ledger.reconciliation_decision (exception_id);

-- History ------------------------------------------------------------------------------------------------------------

CREATE TRIGGER statement_file_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.statement_file
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER external_statement_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.external_statement
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER external_record_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.external_record
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER reconciliation_run_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.reconciliation_run
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER decision_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.reconciliation_decision
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER match_is_kept BEFORE DELETE OR TRUNCATE ON ledger.reconciliation_match
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER match_record_is_kept BEFORE DELETE OR TRUNCATE ON ledger.match_record
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER match_posting_is_kept BEFORE DELETE OR TRUNCATE ON ledger.match_posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER exception_is_kept BEFORE DELETE OR TRUNCATE ON ledger.reconciliation_exception
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER match_is_fixed
    BEFORE UPDATE OF id, account_id, run_id, number, rule, difference, tolerance, matched_at ON ledger.reconciliation_match
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER match_record_is_fixed BEFORE UPDATE OF match_id, record_id ON ledger.match_record
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER match_posting_is_fixed BEFORE UPDATE OF match_id, seq, number ON ledger.match_posting
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER exception_is_fixed
    BEFORE UPDATE OF id, account_id, run_id, kind, record_id, posting_seq, posting_number, difference, fingerprint,
        opened_at ON ledger.reconciliation_exception
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
