-- Why: what supervision keeps beside the shared ledger. Who is asked remembers what he let pass and gave; who asks keeps
-- personal data sealed to his own key, so that reading the database is not reading them; what members said of a block or
-- of their totals stays as evidence; a report that was signed stays as it was signed.

CREATE TABLE log.allowed_demand (
    demand_id text COLLATE "C" PRIMARY KEY,
    allowed_by text NOT NULL CHECK (allowed_by <> ''),
    allowed_at timestamptz NOT NULL
);

-- What was given: the hash of the signed package, which the other side can show.
CREATE TABLE log.given_disclosure (
    demand_id text COLLATE "C" NOT NULL,
    given_at timestamptz NOT NULL,
    package_hash bytea NOT NULL CHECK (length(package_hash) = 32),
    PRIMARY KEY (demand_id, package_hash)
);

-- What a demand of this organization brought, whole and proved.
CREATE TABLE log.fetched_demand (
    demand_id text COLLATE "C" PRIMARY KEY,
    fetched_at timestamptz NOT NULL,
    package_hash bytea NOT NULL CHECK (length(package_hash) = 32)
);

CREATE TABLE log.disclosed_detail (
    organization text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    demand_id text COLLATE "C" NOT NULL,
    disclosed_at timestamptz NOT NULL,
    -- In a box that this organization's disclosure key opens.
    sealed bytea NOT NULL,
    PRIMARY KEY (organization, seq, demand_id)
);

-- Signed receipts of blocks: what each member says a block came to. Two of one member that differ are both kept.
CREATE TABLE log.receipt (
    block_number bigint NOT NULL CHECK (block_number >= 0),
    organization text COLLATE "C" NOT NULL,
    statement_hash bytea NOT NULL CHECK (length(statement_hash) = 32),
    received_at timestamptz NOT NULL,
    -- Statement and signature (JSON).
    receipt text NOT NULL,
    PRIMARY KEY (block_number, organization, statement_hash)
);

-- Control totals that a member opened, once they were held against its anchor's commitment.
CREATE TABLE log.opened_totals (
    organization text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size > 0),
    opened_at timestamptz NOT NULL,
    totals text NOT NULL,
    salt bytea NOT NULL CHECK (length(salt) = 32),
    PRIMARY KEY (organization, size)
);

CREATE TABLE log.report (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL CHECK (made_by <> ''),
    page bytea NOT NULL,
    signature text NOT NULL
);

DO $$
DECLARE
    v_table text;
BEGIN
    FOREACH v_table IN ARRAY ARRAY[
        'allowed_demand', 'given_disclosure', 'fetched_demand', 'disclosed_detail', 'receipt', 'opened_totals', 'report'
    ] LOOP
        EXECUTE format(
            'CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON log.%I FOR EACH ROW EXECUTE FUNCTION log.refuse_change()',
            v_table || '_stays', v_table
        );
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON log.allowed_demand, log.given_disclosure, log.fetched_demand, log.disclosed_detail, log.receipt,
    log.opened_totals, log.report TO dwaybank_application;
GRANT SELECT ON log.allowed_demand, log.given_disclosure, log.fetched_demand, log.receipt TO dwaybank_reader;
