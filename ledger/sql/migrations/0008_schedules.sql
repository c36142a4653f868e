-- Why: entries that are ordered once and posted again and again, each occurrence once for ever. The rules are Python's
-- (ledger/schedule.py); here stand the orders, where they are, and what became of each occurrence.

CREATE TABLE ledger.schedule (
    id uuid PRIMARY KEY,
    definition jsonb NOT NULL CHECK (jsonb_typeof(definition) = 'object'),
    created_at timestamptz NOT NULL CHECK (isfinite(created_at)),
    status smallint NOT NULL DEFAULT 1 CHECK (status IN (1, 2, 3, 4)),
    step bigint,
    number bigint,
    due_at timestamptz CHECK (isfinite(due_at)),
    key uuid UNIQUE,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    wake_at timestamptz CHECK (isfinite(wake_at)),
    CONSTRAINT schedule_finished_without_occurrence CHECK (
        num_nulls(step, number, due_at, key, wake_at) = CASE status WHEN 3 THEN 5 ELSE 0 END
    )
);
COMMENT ON COLUMN ledger.schedule.definition IS 'what is posted, when and by which policy; never changes';
COMMENT ON COLUMN ledger.schedule.status IS '1 active, 2 paused, 3 finished, 4 cancelled';
COMMENT ON COLUMN ledger.schedule.step IS 'this and the four below: the occurrence that is next, or being tried';
COMMENT ON COLUMN ledger.schedule.key IS 'idempotency key of that occurrence''s entry';
COMMENT ON COLUMN ledger.schedule.attempts IS 'tries of that occurrence so far';
CREATE INDEX schedule_by_wake ON ledger.schedule (wake_at, id) WHERE status = 1;

CREATE TABLE ledger.schedule_run (
    schedule_id uuid NOT NULL REFERENCES ledger.schedule,
    due_at timestamptz NOT NULL CHECK (isfinite(due_at)),
    attempt integer NOT NULL CHECK (attempt > 0),
    number bigint NOT NULL CHECK (number > 0),
    key uuid NOT NULL,
    code text NOT NULL CHECK (code ~ '^[a-z_]{1,40}$'),
    seq bigint,
    at timestamptz NOT NULL CHECK (isfinite(at)),
    PRIMARY KEY (schedule_id, due_at, attempt),
    CHECK ((code IN ('posted', 'exists')) = (seq IS NOT NULL))
);
COMMENT ON TABLE ledger.schedule_run IS 'each try of an occurrence, and each that was skipped';
-- An occurrence is posted once: the database would refuse a second success whatever the node believes.
CREATE UNIQUE INDEX schedule_run_posted_once ON ledger.schedule_run (schedule_id, due_at) WHERE seq IS NOT NULL;
CREATE UNIQUE INDEX schedule_run_by_seq ON ledger.schedule_run (seq) WHERE seq IS NOT NULL;

CREATE TABLE ledger.schedule_change (
    schedule_id uuid NOT NULL REFERENCES ledger.schedule,
    number integer NOT NULL CHECK (number > 0),
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    what text NOT NULL CHECK (what IN ('create', 'pause', 'resume', 'cancel', 'forget')),
    at timestamptz NOT NULL CHECK (isfinite(at)),
    PRIMARY KEY (schedule_id, number)
);
COMMENT ON TABLE ledger.schedule_change IS 'who ordered, paused, resumed and ended a schedule';

CREATE TRIGGER schedule_run_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.schedule_run
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER schedule_change_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.schedule_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER schedule_is_kept BEFORE DELETE OR TRUNCATE ON ledger.schedule
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER schedule_identity_is_fixed BEFORE UPDATE OF id, created_at ON ledger.schedule
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
-- Free text may be erased once nothing will be posted with it any more; nothing else ever changes.
CREATE TRIGGER schedule_definition_is_fixed BEFORE UPDATE OF definition ON ledger.schedule
    FOR EACH ROW WHEN (OLD.status IN (1, 2) OR NEW.definition <> OLD.definition - 'description')
    EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER schedule_end_is_final BEFORE UPDATE ON ledger.schedule
    FOR EACH ROW WHEN (OLD.status IN (3, 4) AND (NEW.status, NEW.step, NEW.attempts) IS DISTINCT FROM
        (OLD.status, OLD.step, OLD.attempts))
    EXECUTE FUNCTION ledger.refuse_edit();
