-- A regulator's demand may ask who stands behind an account. The node answers it, and may read nothing here but what
-- this function tells about accounts it names; that it asked, and for which demand, is written down first.

CREATE TABLE gateway.customer_disclosure (
    demand_id text NOT NULL CHECK (demand_id ~ '^[0-9a-f]{32}$'),
    account   text NOT NULL,
    told_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION gateway.customers_of(p_demand_id text, p_accounts text[])
RETURNS TABLE (
    account text, customer_id uuid, display_name text, email text, status text, opened_at timestamptz
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO gateway.customer_disclosure (demand_id, account)
    SELECT p_demand_id, owned.account
    FROM gateway.customer_account AS owned
    WHERE owned.account = ANY (p_accounts);

    SELECT owned.account, customer.customer_id, customer.display_name, customer.email, customer.status, owned.opened_at
    FROM gateway.customer_account AS owned
    JOIN gateway.customer USING (customer_id)
    WHERE owned.account = ANY (p_accounts)
    ORDER BY owned.account;
$$;

REVOKE EXECUTE ON FUNCTION gateway.customers_of(text, text[]) FROM PUBLIC;

-- The node's working role has it where the node shares this database.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'dwaybank_application') THEN
        GRANT USAGE ON SCHEMA gateway TO dwaybank_application;
        GRANT EXECUTE ON FUNCTION gateway.customers_of(text, text[]) TO dwaybank_application;
    END IF;
END
$$;
