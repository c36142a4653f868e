-- Why: what happens in the books is told to others, in the order it happened and without a gap: entries stand in the
-- journal already, everything else that happens becomes an event beside them (docs/events.md).

-- Conditions on an account's money; the writer tells when one comes true.
CREATE TABLE ledger.monitor (
    id uuid PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES ledger.account,
    field smallint NOT NULL CHECK (field IN (1, 2, 3)),
    operator smallint NOT NULL CHECK (operator IN (1, 2, 3, 4, 5)),
    value bigint NOT NULL CHECK (abs(value) < 4611686018427387904),
    set_at timestamptz NOT NULL,
    dropped_at timestamptz CHECK (dropped_at >= set_at)
);
COMMENT ON COLUMN ledger.monitor.field IS '1 balance, 2 available, 3 held';
COMMENT ON COLUMN ledger.monitor.operator IS '1 >=, 2 <=, 3 >, 4 <, 5 =';
COMMENT ON COLUMN ledger.monitor.dropped_at IS 'from here on it no longer fires; the row stays, events name it';
CREATE INDEX monitor_by_account ON ledger.monitor (account_id) WHERE dropped_at IS NULL;
CREATE TRIGGER monitor_is_kept BEFORE DELETE OR TRUNCATE ON ledger.monitor
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER monitor_condition_is_fixed BEFORE UPDATE OF id, account_id, field, operator, value, set_at
    ON ledger.monitor FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- The account is no foreign key: accounts are never deleted, and the check would cost more than the row.
CREATE TABLE ledger.event (
    after_seq bigint NOT NULL CHECK (after_seq >= 0),
    number integer NOT NULL CHECK (number > 0),
    kind text NOT NULL CHECK (kind ~ '^[a-z]{1,20}\.[a-z_]{1,30}$'),
    account_id bigint,
    at timestamptz NOT NULL CHECK (isfinite(at)),
    payload jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object' AND octet_length(payload::text) <= 2000),
    PRIMARY KEY (after_seq, number)
);
COMMENT ON COLUMN ledger.event.after_seq IS 'the newest entry when it happened; 0 before the first';
COMMENT ON COLUMN ledger.event.number IS 'counts the events after the same entry, from 1, without a gap';
COMMENT ON COLUMN ledger.event.account_id IS 'the account it is about; null where it is about none';
CREATE TRIGGER event_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Where events are sent. How far an endpoint has come is the only thing that changes while it works.
CREATE TABLE ledger.webhook (
    id uuid PRIMARY KEY,
    url text NOT NULL CHECK (url ~ '^https?://' AND char_length(url) <= 2000),
    kinds text[] NOT NULL CHECK (array_position(kinds, NULL) IS NULL AND cardinality(kinds) <= 100),
    account_prefix text NOT NULL CHECK (char_length(account_prefix) <= 64),
    secret_name text NOT NULL CHECK (secret_name ~ '^[a-z0-9.-]{1,100}$'),
    state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2)),
    seq bigint NOT NULL CHECK (seq >= 0),
    number integer NOT NULL CHECK (number >= 0),
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    failing_since timestamptz,
    next_attempt_at timestamptz,
    last_failure text CHECK (char_length(last_failure) <= 200),
    added_at timestamptz NOT NULL,
    CHECK ((failures = 0) = (failing_since IS NULL))
) WITH (fillfactor = 50);
COMMENT ON COLUMN ledger.webhook.kinds IS 'kinds of events it wants; empty for all';
COMMENT ON COLUMN ledger.webhook.account_prefix IS 'events of accounts whose reference begins so; empty for all';
COMMENT ON COLUMN ledger.webhook.secret_name IS 'file in the organization''s folder of secrets; the secret is never here';
COMMENT ON COLUMN ledger.webhook.state IS '1 active, 2 dead: given up until an operator resumes it';
COMMENT ON COLUMN ledger.webhook.seq IS 'with number: the newest event its receiver has accepted';
