-- Why: the books begin here. Tables, the rules the database itself keeps, and the roles that may use them.
--
-- An entry is one immutable row; its postings are arrays in that row, so that "debits equal credits" is a CHECK of the
-- row and one leaf covers the whole (docs/adr/0002-entry-rows.md has the measurements). Amounts inside are signed by
-- side (debit above zero, credit below): the only place where they are, and the views turn them back.

CREATE TABLE ledger.asset (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^[A-Z][A-Z0-9]{1,15}$'),
    scale smallint NOT NULL CHECK (scale BETWEEN 0 AND 18)
);

-- ISO 4217, currencies in common use with their number of decimal digits.
INSERT INTO ledger.asset (code, scale) VALUES
    ('AED', 2), ('AUD', 2), ('BGN', 2), ('BHD', 3), ('BRL', 2), ('CAD', 2), ('CHF', 2), ('CLP', 0), ('CNY', 2),
    ('COP', 2), ('CZK', 2), ('DKK', 2), ('EGP', 2), ('EUR', 2), ('GBP', 2), ('HKD', 2), ('HUF', 2), ('IDR', 2),
    ('ILS', 2), ('INR', 2), ('ISK', 0), ('JOD', 3), ('JPY', 0), ('KES', 2), ('KRW', 0), ('KWD', 3), ('MAD', 2),
    ('MXN', 2), ('MYR', 2), ('NGN', 2), ('NOK', 2), ('NZD', 2), ('OMR', 3), ('PEN', 2), ('PHP', 2), ('PKR', 2),
    ('PLN', 2), ('QAR', 2), ('RON', 2), ('RSD', 2), ('SAR', 2), ('SEK', 2), ('SGD', 2), ('THB', 2), ('TND', 3),
    ('TRY', 2), ('TWD', 2), ('UAH', 2), ('USD', 2), ('VND', 0), ('ZAR', 2);

-- fillfactor 50 and no index on what changes: every balance update stays on its page (HOT).
CREATE TABLE ledger.account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    asset_id smallint NOT NULL REFERENCES ledger.asset,
    normal_side smallint NOT NULL CHECK (normal_side IN (1, 2)),
    status smallint NOT NULL DEFAULT 1 CHECK (status IN (1, 2, 3)),
    balance bigint NOT NULL DEFAULT 0 CHECK (abs(balance) < 4611686018427387904),
    held bigint NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND 4611686018427387903),
    floor bigint CHECK (abs(floor) < 4611686018427387904),
    last_seq bigint NOT NULL DEFAULT 0,
    posting_count bigint NOT NULL DEFAULT 0,
    opened_at timestamptz NOT NULL,
    CONSTRAINT account_available_not_below_floor CHECK (floor IS NULL OR balance - held >= floor)
) WITH (fillfactor = 50);
COMMENT ON COLUMN ledger.account.normal_side IS '1 debit, 2 credit';
COMMENT ON COLUMN ledger.account.status IS '1 open, 2 frozen, 3 closed';
COMMENT ON COLUMN ledger.account.last_seq IS 'newest entry that touched the account; start of its chain of postings';

-- Not a CHECK: those run again at every change of a balance, and this one would cost more than the change.
CREATE FUNCTION ledger.check_reference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.reference !~ '^[A-Za-z0-9:_.-]{1,64}$' THEN
        RAISE EXCEPTION 'account reference % is malformed', NEW.reference USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER account_reference_is_well_formed BEFORE INSERT ON ledger.account
    FOR EACH ROW EXECUTE FUNCTION ledger.check_reference();

-- One row. Its lock puts all writers in one line; its epoch fences a writer that was replaced.
CREATE TABLE ledger.head (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    epoch bigint NOT NULL DEFAULT 0,
    next_seq bigint NOT NULL DEFAULT 1,
    signed_seq bigint NOT NULL DEFAULT 0,
    posted_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);
INSERT INTO ledger.head DEFAULT VALUES;

-- True when the debits of every asset equal its credits, and there are at least two postings.
CREATE FUNCTION ledger.entry_balances(p_asset smallint[], p_amount bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT cardinality(p_amount) > 1 AND bool_and(asset_total = 0)
    FROM (
        SELECT sum(posting.amount) AS asset_total
        FROM unnest(p_asset, p_amount) AS posting (asset_id, amount)
        GROUP BY posting.asset_id
    ) AS per_asset
$$;

CREATE TABLE ledger.entry (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    key uuid NOT NULL UNIQUE,
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    posted_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    settlement_id text CHECK (char_length(settlement_id) BETWEEN 1 AND 64),
    posting_account bigint[] NOT NULL,
    posting_asset smallint[] NOT NULL,
    posting_amount bigint[] NOT NULL,
    posting_balance bigint[] NOT NULL,
    posting_previous bigint[] NOT NULL,
    description_commitment bytea CHECK (octet_length(description_commitment) = 32),
    decision_id uuid NOT NULL,
    decision_outcome smallint NOT NULL CHECK (decision_outcome IN (1, 2)),
    decision_leaf bytea NOT NULL CHECK (octet_length(decision_leaf) = 32),
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
    CONSTRAINT entry_postings_aligned CHECK (
        cardinality(posting_account) = cardinality(posting_amount)
        AND cardinality(posting_asset) = cardinality(posting_amount)
        AND cardinality(posting_balance) = cardinality(posting_amount)
        AND cardinality(posting_previous) = cardinality(posting_amount)
    ),
    -- The common entry of two postings is judged without a function call.
    CONSTRAINT entry_balanced CHECK (
        CASE cardinality(posting_amount)
            WHEN 2 THEN
                posting_amount[1] <> 0 AND posting_amount[1] = -posting_amount[2]
                AND posting_asset[1] = posting_asset[2]
            ELSE 0 <> ALL (posting_amount) AND ledger.entry_balances(posting_asset, posting_amount)
        END
    )
);
COMMENT ON COLUMN ledger.entry.posting_amount IS 'minor units, debit above zero, credit below';
COMMENT ON COLUMN ledger.entry.posting_balance IS 'the account''s balance after the posting, on its normal side';
COMMENT ON COLUMN ledger.entry.posting_previous IS 'the entry before this one that touched the account; 0 for none';
COMMENT ON COLUMN ledger.entry.decision_outcome IS '1 automated_approval, 2 requires_manual_review';
COMMENT ON COLUMN ledger.entry.leaf IS 'SHA-256(0x00, salt, canonical form version 1)';
CREATE INDEX entry_by_settlement ON ledger.entry (settlement_id) WHERE settlement_id IS NOT NULL;

-- Free text stands apart, so that it can be erased while the entry and every proof stay.
CREATE TABLE ledger.description (
    seq bigint PRIMARY KEY REFERENCES ledger.entry,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    description text NOT NULL CHECK (char_length(description) BETWEEN 1 AND 500)
);

-- What the writer signed, one row for each commit that posted something.
CREATE TABLE ledger.batch (
    first_seq bigint PRIMARY KEY,
    last_seq bigint NOT NULL,
    epoch bigint NOT NULL,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    CHECK (last_seq >= first_seq)
);

CREATE TABLE ledger.hold (
    id uuid PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES ledger.account,
    amount bigint NOT NULL CHECK (amount > 0),
    state smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3, 4)),
    placed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    entry_seq bigint,
    CHECK ((state = 1) = (ended_at IS NULL)),
    CHECK ((state = 2) = (entry_seq IS NOT NULL)),
    CHECK (expires_at > placed_at)
);
COMMENT ON COLUMN ledger.hold.state IS '1 placed, 2 captured, 3 released, 4 expired';
CREATE INDEX hold_by_deadline ON ledger.hold (expires_at) WHERE state = 1;
CREATE INDEX hold_by_account ON ledger.hold (account_id);

-- History ------------------------------------------------------------------------------------------------------------

CREATE FUNCTION ledger.refuse_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'history cannot be edited: % on ledger.% is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'DW002', HINT = 'post a correcting entry';
END
$$;

CREATE TRIGGER entry_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER batch_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.batch
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER account_is_kept BEFORE DELETE OR TRUNCATE ON ledger.account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER hold_is_kept BEFORE DELETE OR TRUNCATE ON ledger.hold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
-- Names only the columns that never change, so that balance updates do not pay for it.
CREATE TRIGGER account_identity_is_fixed BEFORE UPDATE OF id, reference, asset_id, normal_side, opened_at
    ON ledger.account FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER hold_identity_is_fixed BEFORE UPDATE OF id, account_id, amount, placed_at, expires_at
    ON ledger.hold FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- New entries continue the sequence without a gap; the writer moves the head only afterwards.
CREATE FUNCTION ledger.check_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_next bigint;
    v_last bigint;
    v_count bigint;
BEGIN
    SELECT next_seq INTO STRICT v_next FROM ledger.head;
    SELECT max(seq), count(*) INTO v_last, v_count FROM ledger.entry WHERE seq >= v_next;
    IF v_last - v_next + 1 <> v_count THEN
        RAISE EXCEPTION 'entries up to % (% rows) do not continue the sequence at %', v_last, v_count, v_next
            USING ERRCODE = 'DW003';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER entry_continues_sequence AFTER INSERT ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.check_sequence();

-- No commit may leave entries that no batch signature covers, or turn the clock or the numbers back.
CREATE FUNCTION ledger.check_head() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.next_seq < OLD.next_seq OR NEW.epoch < OLD.epoch OR NEW.posted_at < OLD.posted_at
        OR NEW.signed_seq < OLD.signed_seq THEN
        RAISE EXCEPTION 'the head of the books only moves forward' USING ERRCODE = 'DW003';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER head_moves_forward BEFORE INSERT OR UPDATE OR DELETE ON ledger.head
    FOR EACH ROW EXECUTE FUNCTION ledger.check_head();

CREATE FUNCTION ledger.check_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.head WHERE signed_seq <> next_seq - 1) THEN
        RAISE EXCEPTION 'entries without a batch signature cannot be committed' USING ERRCODE = 'DW003';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER head_is_signed AFTER UPDATE ON ledger.head
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.check_signed();

-- Roles --------------------------------------------------------------------------------------------------------------
-- Roles belong to the whole cluster and may stand already. The application writes through functions only.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['dwaybank_application', 'dwaybank_reader'] LOOP
        -- Asked first, because the owner of the books may not be allowed to make roles.
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
        END IF;
    END LOOP;
END
$$;
GRANT USAGE ON SCHEMA ledger TO dwaybank_application, dwaybank_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO dwaybank_application, dwaybank_reader;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
-- CHECK constraints run with the rights of whoever inserts: only the owner's functions do.
