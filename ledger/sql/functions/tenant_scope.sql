-- Who asks, and which books that lets him see. Every rule about tenants rests on these.
--
-- Who asks is the role that was set last, else the login: inside a function that runs with its owner's rights current_user
-- is the owner, and tells nothing. The organization itself is whoever has the rights of its roles; everybody else sees
-- what a tenant sees, and without a tenant nothing.

-- Whether the caller sees the books of all tenants. One that names a tenant wants to see no more than that tenant does.
-- Parsed where it is made and so short that it becomes part of what asks: the organization's own reads must not pay for it.
-- Who may make tables in the schema is its owner.
CREATE OR REPLACE FUNCTION ledger.sees_all() RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce(current_setting('dwaybank.tenant', true), '') = '' AND (
    pg_has_role(
        CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END,
        'dwaybank_application', 'MEMBER'
    ) OR pg_has_role(
        CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END,
        'dwaybank_reader', 'MEMBER'
    ) OR has_schema_privilege(
        CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END,
        'ledger', 'CREATE'
    )
);

-- The books of the caller's tenant; empty where there is none. A login that is bound to a tenant is that tenant, whatever
-- it sets; others name one by a setting, and are believed where they have the rights of the application anyway.
CREATE OR REPLACE FUNCTION ledger.tenant_books() RETURNS smallint[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_tenant_id smallint;
BEGIN
    SELECT tenant_id INTO v_tenant_id FROM ledger.tenant_login WHERE role_name = session_user::text;
    IF NOT FOUND AND (
        pg_has_role(session_user, 'dwaybank_application', 'MEMBER') OR pg_has_role(session_user, current_user, 'MEMBER')
    ) THEN
        SELECT id INTO v_tenant_id FROM ledger.tenant WHERE name = current_setting('dwaybank.tenant', true);
    END IF;
    RETURN ARRAY(SELECT book_id FROM ledger.tenant_book WHERE tenant_id = v_tenant_id ORDER BY book_id);
END
$$;

-- Whether an account is of the caller's tenant.
CREATE OR REPLACE FUNCTION ledger.tenant_has(p_account_id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM ledger.account WHERE id = p_account_id AND book_id = ANY (ledger.tenant_books())
    );
END
$$;

-- Whether the caller sees an account.
CREATE OR REPLACE FUNCTION ledger.sees_account(p_account_id bigint) RETURNS boolean LANGUAGE sql STABLE
RETURN ledger.sees_all() OR ledger.tenant_has(p_account_id);

-- Whether the caller sees an entry as a whole, with its texts: views/entry_view.sql says which.
CREATE OR REPLACE FUNCTION ledger.sees_entry(p_seq bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM ledger.entry_view WHERE seq = p_seq);
END
$$;

-- Whether a schedule is the business of the caller's tenant.
CREATE OR REPLACE FUNCTION ledger.sees_schedule(p_definition jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN ledger.schedule_is_within(p_definition, ledger.tenant_books()) IS TRUE;
END
$$;
