-- Why: a tenant reads the rows of entries too, where all of their postings are his. Entries that touch others' accounts
-- he sees through views (posting_view his own legs, entry_view what shared accounts stand on the other side of).
--
-- The rule stands on the journal as a whole: on its partitions he has no right at all, and the writer, who writes them
-- himself, is not held up by a rule there (COPY refuses a table with one).

-- Until functions/tenant_scope.sql is in place, nobody is anything here.
CREATE FUNCTION ledger.sees_entry(p_seq bigint) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT false $$;

DO $$
DECLARE
    v_table text;
    v_rule text;
BEGIN
    FOR v_table, v_rule IN VALUES
        (
            'entry',
            'CASE WHEN posting_amount IS NULL THEN'
                ' EXISTS (SELECT FROM ledger.account WHERE account.id = debit_account)'
                ' AND EXISTS (SELECT FROM ledger.account WHERE account.id = credit_account)'
                ' ELSE NOT EXISTS (SELECT FROM unnest(posting_account) AS touched (id)'
                ' WHERE NOT EXISTS (SELECT FROM ledger.account WHERE account.id = touched.id)) END'
        ),
        ('description', 'ledger.sees_entry(seq)'),
        ('metadata', 'ledger.sees_entry(seq)')
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
