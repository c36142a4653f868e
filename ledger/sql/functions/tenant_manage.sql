-- Opens a tenant. code: 'created', 'exists'.
CREATE OR REPLACE FUNCTION ledger.tenant_create(p_name text, p_actor text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    INSERT INTO ledger.tenant (name) VALUES (p_name) ON CONFLICT (name) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'exists';
    END IF;
    INSERT INTO ledger.tenant_change (at, actor, what) VALUES (p_now, p_actor, jsonb_build_object('tenant', p_name));
    RETURN 'created';
END
$$;

-- Gives a book to a tenant, or with a null name back to the organization. A tenant's book must come back before another
-- gets it: that nobody inherits by a slip. code: 'changed', 'unchanged', 'book_not_found', 'tenant_not_found',
-- 'book_of_another'.
CREATE OR REPLACE FUNCTION ledger.tenant_give_book(p_book text, p_name text, p_actor text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_book_id smallint;
    v_tenant_id smallint;
    v_known smallint;
BEGIN
    SELECT id INTO v_book_id FROM ledger.book WHERE code = p_book FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'book_not_found';
    END IF;
    SELECT id INTO v_tenant_id FROM ledger.tenant WHERE name = p_name;
    IF p_name IS NOT NULL AND NOT FOUND THEN
        RETURN 'tenant_not_found';
    END IF;
    SELECT tenant_id INTO v_known FROM ledger.tenant_book WHERE book_id = v_book_id;
    IF v_known IS NOT DISTINCT FROM v_tenant_id THEN
        RETURN 'unchanged';
    ELSIF v_known IS NOT NULL AND v_tenant_id IS NOT NULL THEN
        RETURN 'book_of_another';
    ELSIF v_tenant_id IS NULL THEN
        DELETE FROM ledger.tenant_book WHERE book_id = v_book_id;
    ELSE
        INSERT INTO ledger.tenant_book (book_id, tenant_id) VALUES (v_book_id, v_tenant_id);
    END IF;
    INSERT INTO ledger.tenant_change (at, actor, what)
    VALUES (p_now, p_actor, jsonb_build_object('book', p_book, 'tenant', jsonb_build_array(
        (SELECT name FROM ledger.tenant WHERE id = v_known), p_name
    )));
    RETURN 'changed';
END
$$;

-- Lets all tenants post between an account and accounts of theirs, or no longer. In line with the postings before and
-- after, because the writer's copy knows which accounts are shared. code: 'changed', 'unchanged', 'account_not_found'.
CREATE OR REPLACE FUNCTION ledger.tenant_share(
    p_epoch bigint, p_reference text, p_shared boolean, p_actor text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
BEGIN
    UPDATE ledger.account SET shared = p_shared
    WHERE shared <> p_shared AND coalesce(stripe_of, id) = (
        SELECT id FROM ledger.account WHERE reference = p_reference AND stripe_of IS NULL
    );
    IF NOT FOUND THEN
        RETURN CASE
            WHEN EXISTS (SELECT FROM ledger.account WHERE reference = p_reference) THEN 'unchanged'
            ELSE 'account_not_found'
        END;
    END IF;
    INSERT INTO ledger.tenant_change (at, actor, what)
    VALUES (p_now, p_actor, jsonb_build_object('account', p_reference, 'shared', p_shared));
    RETURN 'changed';
END
$$;

-- Binds a database login to a tenant, or with a null name to none, and lets it connect. The login must be a member of
-- dwaybank_tenant already, which an administrator decides, and may have no rights that show it more than that.
-- code: 'changed', 'unchanged', 'tenant_not_found', 'login_not_found', 'login_is_no_tenant', 'login_sees_more',
-- 'login_of_another'.
CREATE OR REPLACE FUNCTION ledger.tenant_bind_login(p_login text, p_name text, p_actor text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_tenant_id smallint;
    v_known smallint;
BEGIN
    SELECT id INTO v_tenant_id FROM ledger.tenant WHERE name = p_name;
    IF p_name IS NOT NULL AND NOT FOUND THEN
        RETURN 'tenant_not_found';
    END IF;
    SELECT tenant_id INTO v_known FROM ledger.tenant_login WHERE role_name = p_login FOR UPDATE;
    IF v_known IS NOT DISTINCT FROM v_tenant_id THEN
        RETURN 'unchanged';
    ELSIF v_tenant_id IS NULL THEN
        DELETE FROM ledger.tenant_login WHERE role_name = p_login;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = p_login) THEN
            EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I', current_database(), p_login);
        END IF;
    ELSIF v_known IS NOT NULL THEN
        RETURN 'login_of_another';
    ELSIF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = p_login AND rolcanlogin) THEN
        RETURN 'login_not_found';
    ELSIF NOT pg_has_role(p_login::name, 'dwaybank_tenant', 'USAGE') THEN
        RETURN 'login_is_no_tenant';
    ELSIF EXISTS (
        SELECT FROM pg_roles AS role
        WHERE pg_has_role(p_login::name, role.oid, 'MEMBER') AND (
            role.rolsuper OR role.rolbypassrls OR role.rolcreaterole
            OR role.rolname IN (current_user, 'dwaybank_application', 'dwaybank_reader')
            OR role.rolname ~ '^pg_(read|write)_all_data$'
        )
    ) THEN
        RETURN 'login_sees_more';
    ELSE
        INSERT INTO ledger.tenant_login (role_name, tenant_id) VALUES (p_login, v_tenant_id);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), p_login);
    END IF;
    INSERT INTO ledger.tenant_change (at, actor, what)
    VALUES (p_now, p_actor, jsonb_build_object('login', p_login, 'tenant', jsonb_build_array(
        (SELECT name FROM ledger.tenant WHERE id = v_known), p_name
    )));
    RETURN 'changed';
END
$$;
