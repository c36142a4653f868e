-- Why: which netting cycles this bank still has to finish, so that a restart goes on where it was; and what this
-- organization said in disputes, kept before the commitment to it is shown, so that it can always be opened.

CREATE TABLE partner.netting_cycle (
    cycle_id text PRIMARY KEY CHECK (cycle_id ~ '^[0-9a-f]{32}$'),
    state text NOT NULL CHECK (state IN ('open', 'cut_off', 'settled', 'failed')),
    finished boolean NOT NULL DEFAULT false,
    note text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL,
    CONSTRAINT finished_is_over CHECK (NOT finished OR state IN ('settled', 'failed'))
);
CREATE TRIGGER cycle_is_kept BEFORE DELETE OR TRUNCATE ON partner.netting_cycle
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();

CREATE TABLE partner.dispute_statement (
    commitment bytea PRIMARY KEY CHECK (length(commitment) = 32),
    salt bytea NOT NULL CHECK (length(salt) = 32),
    statement text NOT NULL CHECK (length(statement) BETWEEN 1 AND 4000),
    kept_at timestamptz NOT NULL
);
CREATE TRIGGER statement_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON partner.dispute_statement
FOR EACH STATEMENT EXECUTE FUNCTION partner.refuse_edit();

GRANT SELECT ON partner.netting_cycle, partner.dispute_statement TO dwaybank_application, dwaybank_reader;
GRANT INSERT ON partner.netting_cycle, partner.dispute_statement TO dwaybank_application;
GRANT UPDATE ON partner.netting_cycle TO dwaybank_application;
