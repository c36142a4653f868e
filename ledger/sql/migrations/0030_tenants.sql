-- Why: an organization keeps books for others, its branches, brands or clients, and each of them must see its own and
-- nothing else. A tenant is a set of books; who may see what is decided here, in the database, by row-level security, and
-- not by whoever asks (docs/adr/0020-tenants.md).
--
-- Two means, both closed unless opened: a table that a tenant may read has row-level security and says which rows are
-- his; a table that he need not read he has no right on. The list of rights is in grants.sql.

CREATE TABLE ledger.tenant (
    id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_-]{0,30}$')
);
COMMENT ON COLUMN ledger.tenant.name IS 'also what the references and aliases begin with that the tenant itself opens';

CREATE TABLE ledger.tenant_book (
    book_id smallint PRIMARY KEY REFERENCES ledger.book,
    tenant_id smallint NOT NULL REFERENCES ledger.tenant
);
COMMENT ON TABLE ledger.tenant_book IS 'whose a book is; a book without a row is the organization''s own';

-- By name, as a dump restores it; a login that is renamed is bound no more and sees nothing.
CREATE TABLE ledger.tenant_login (
    role_name text COLLATE "C" PRIMARY KEY CHECK (octet_length(role_name) BETWEEN 1 AND 63),
    tenant_id smallint NOT NULL REFERENCES ledger.tenant
);
COMMENT ON TABLE ledger.tenant_login IS 'database logins that see one tenant''s rows, whatever they set';

CREATE TABLE ledger.tenant_change (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL CHECK (isfinite(at)),
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    what jsonb NOT NULL CHECK (jsonb_typeof(what) = 'object')
);
COMMENT ON TABLE ledger.tenant_change IS 'who opened tenants, gave them books and logins, and shared accounts';

CREATE TRIGGER tenant_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.tenant
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER tenant_change_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.tenant_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Accounts know their book ---------------------------------------------------------------------------------------------
-- It never changes, so an index on it costs a change of a balance nothing.
ALTER TABLE ledger.account
    ADD COLUMN book_id smallint NOT NULL DEFAULT 1,
    ADD COLUMN shared boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN ledger.account.book_id IS 'the book it stands in for ever';
COMMENT ON COLUMN ledger.account.shared IS 'whether every tenant may post between it and accounts of his own';
UPDATE ledger.account SET book_id = place.book_id
FROM ledger.account_place AS place
WHERE place.account_id = account.id AND place.book_id <> 1;
ALTER TABLE ledger.account ADD FOREIGN KEY (book_id) REFERENCES ledger.book;
CREATE INDEX account_by_book ON ledger.account (book_id, reference);
CREATE TRIGGER account_book_is_fixed BEFORE UPDATE OF book_id ON ledger.account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

CREATE FUNCTION ledger.check_place() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF NEW.book_id IS DISTINCT FROM (SELECT book_id FROM ledger.account WHERE id = NEW.account_id) THEN
        RAISE EXCEPTION 'account % does not stand in book %', NEW.account_id, NEW.book_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER account_place_is_in_its_book BEFORE INSERT OR UPDATE OF account_id, book_id ON ledger.account_place
    FOR EACH ROW EXECUTE FUNCTION ledger.check_place();

-- What a tenant asked for ------------------------------------------------------------------------------------------------
-- On his accounts the organization holds money, watches and orders too, and that is not his to end.
ALTER TABLE ledger.schedule ADD COLUMN tenant_id smallint REFERENCES ledger.tenant;
ALTER TABLE ledger.monitor ADD COLUMN tenant_id smallint REFERENCES ledger.tenant;
COMMENT ON COLUMN ledger.schedule.tenant_id IS 'who ordered it, and keeps it within his books; null for the organization';
COMMENT ON COLUMN ledger.monitor.tenant_id IS 'who set it; null for the organization';
CREATE TRIGGER schedule_tenant_is_fixed BEFORE UPDATE OF tenant_id ON ledger.schedule
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER monitor_tenant_is_fixed BEFORE UPDATE OF tenant_id ON ledger.monitor
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Beside the holds, so that those of the organization cost nothing for it.
CREATE TABLE ledger.tenant_hold (
    hold_id uuid PRIMARY KEY REFERENCES ledger.hold,
    tenant_id smallint NOT NULL REFERENCES ledger.tenant
);
COMMENT ON TABLE ledger.tenant_hold IS 'who placed a hold; a hold without a row is the organization''s';
CREATE TRIGGER tenant_hold_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.tenant_hold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Who sees what ---------------------------------------------------------------------------------------------------------

DO $$
BEGIN
    -- Asked first, because the owner of the books may not be allowed to make roles.
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dwaybank_tenant') THEN
        CREATE ROLE dwaybank_tenant NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'role dwaybank_tenant is missing: as an administrator, CREATE ROLE dwaybank_tenant NOLOGIN'
            ' and GRANT it to the node''s role';
END
$$;

-- Until functions/tenant_scope.sql is in place, nobody is anything here.
CREATE FUNCTION ledger.tenant_books() RETURNS smallint[] LANGUAGE sql STABLE AS $$ SELECT '{}'::smallint[] $$;
CREATE FUNCTION ledger.sees_schedule(p_definition jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT false $$;

-- The scope is asked for once in a statement, being a subquery of its own. What hangs on an account shows where the
-- account shows: a subquery inside a policy obeys the policies of what it reads.
DO $$
DECLARE
    c_own_book CONSTANT text := 'book_id = ANY ((SELECT ledger.tenant_books())::smallint[])';
    c_account CONSTANT text := 'EXISTS (SELECT FROM ledger.account WHERE account.id = account_id)';
    v_table text;
    v_rule text;
BEGIN
    FOR v_table, v_rule IN VALUES
        -- Reference data of the organization: the same for all tenants.
        ('asset', '(SELECT cardinality(ledger.tenant_books()) > 0)'),
        ('account', c_own_book),
        ('book', 'id = ANY ((SELECT ledger.tenant_books())::smallint[])'),
        ('portfolio', c_own_book),
        ('segment', c_own_book),
        ('chart_rule', c_own_book),
        ('chart_change', c_own_book),
        ('account_place', c_account),
        ('account_metadata', c_account),
        ('metadata_change', c_account),
        ('account_change', c_account),
        ('alias', c_account),
        (
            'alias_change',
            '(before IS NULL OR EXISTS (SELECT FROM ledger.account WHERE account.id = before))'
                ' AND (after IS NULL OR EXISTS (SELECT FROM ledger.account WHERE account.id = after))'
        ),
        ('hold', c_account),
        ('monitor', c_account),
        ('schedule', 'ledger.sees_schedule(definition)'),
        ('schedule_run', 'EXISTS (SELECT FROM ledger.schedule WHERE schedule.id = schedule_id)'),
        ('schedule_change', 'EXISTS (SELECT FROM ledger.schedule WHERE schedule.id = schedule_id)'),
        ('external_statement', c_account),
        ('external_record', c_account),
        ('external_party', 'EXISTS (SELECT FROM ledger.external_record AS record WHERE record.id = record_id)'),
        ('reconciliation_match', c_account),
        ('match_record', 'EXISTS (SELECT FROM ledger.reconciliation_match AS made WHERE made.id = match_id)'),
        ('match_posting', 'EXISTS (SELECT FROM ledger.reconciliation_match AS made WHERE made.id = match_id)'),
        ('reconciliation_exception', c_account),
        (
            'reconciliation_decision',
            'EXISTS (SELECT FROM ledger.reconciliation_exception AS item WHERE item.id = exception_id)'
        )
    LOOP
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ROW LEVEL SECURITY', v_table);
        EXECUTE format(
            'CREATE POLICY organization_sees_all ON ledger.%I FOR SELECT TO dwaybank_application, dwaybank_reader'
            ' USING (true)', v_table
        );
        EXECUTE format(
            'CREATE POLICY tenant_sees_own ON ledger.%I FOR SELECT TO dwaybank_tenant USING (%s)', v_table, v_rule
        );
    END LOOP;
END
$$;

-- Their successors are told for whom.
DROP FUNCTION IF EXISTS ledger.trial_balance_at(bigint, timestamptz);
DROP FUNCTION IF EXISTS ledger.schedule_create(uuid, jsonb, timestamptz, bigint, bigint, timestamptz, uuid);
DROP FUNCTION IF EXISTS ledger.schedule_change(uuid, text, text, timestamptz);
DROP FUNCTION IF EXISTS ledger.schedule_forget(uuid, text, timestamptz);
DROP FUNCTION IF EXISTS ledger.set_monitor(bigint, uuid, text, smallint, smallint, bigint, integer, timestamptz);
DROP FUNCTION IF EXISTS ledger.drop_monitor(bigint, uuid, timestamptz);
