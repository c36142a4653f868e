-- Who may call the doors. Runs after functions and views on every start, so that a new one is never left open.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ledger FROM dwaybank_application, dwaybank_reader;
GRANT USAGE ON SCHEMA ledger TO dwaybank_application, dwaybank_reader, dwaybank_tenant;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO dwaybank_application, dwaybank_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO dwaybank_application;
-- The writer appends entries itself, by COPY into the partitions; triggers see to it that nothing uncovered by a signed
-- batch is committed. Everybody reads the journal as a whole, nobody a partition.
DO $$
DECLARE
    v_name name;
BEGIN
    FOR v_name IN SELECT table_name FROM ledger.partition LOOP
        EXECUTE format('REVOKE ALL ON ledger.%I FROM dwaybank_application, dwaybank_reader', v_name);
        EXECUTE format('GRANT INSERT ON ledger.%I TO dwaybank_application', v_name);
    END LOOP;
END
$$;

-- Views that show a tenant his own rows only ask these, with the rights of whoever reads them.
GRANT EXECUTE ON FUNCTION ledger.sees_all(), ledger.tenant_books() TO dwaybank_reader;
-- So does who reads an entry's salt: this one knows no secret, it is given one.
GRANT EXECUTE ON FUNCTION ledger.salt_of(bytea, bigint, bytea) TO dwaybank_reader;

-- A tenant reads what shows him his own rows only, each named here: tables with row-level security, views and functions
-- that ask who reads. Everything that is not named stays closed to him.
REVOKE ALL ON ALL TABLES IN SCHEMA ledger FROM dwaybank_tenant;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM dwaybank_tenant;
GRANT SELECT ON
    ledger.asset, ledger.account, ledger.account_change, ledger.account_metadata, ledger.account_place, ledger.alias,
    ledger.alias_change, ledger.book, ledger.chart_change, ledger.chart_rule, ledger.description, ledger.entry,
    ledger.external_party, ledger.external_record, ledger.external_statement, ledger.hold, ledger.match_posting, ledger.match_record,
    ledger.metadata, ledger.metadata_change, ledger.monitor, ledger.portfolio, ledger.reconciliation_decision,
    ledger.reconciliation_exception, ledger.reconciliation_match, ledger.schedule, ledger.schedule_change,
    ledger.schedule_run, ledger.segment,
    ledger.account_view, ledger.chart_account_view, ledger.entry_view, ledger.posting_view, ledger.trial_balance,
    ledger.whole_account
TO dwaybank_tenant;
GRANT EXECUTE ON FUNCTION
    ledger.sees_all(), ledger.tenant_books(), ledger.salt_of(bytea, bigint, bytea), ledger.sees_entry(bigint), ledger.sees_schedule(jsonb),
    ledger.balance_seen(bigint, bigint, timestamptz), ledger.known_seq(bigint, timestamptz),
    ledger.trial_balance_seen(timestamptz, timestamptz),
    ledger.statement_page(bigint, bigint, integer, timestamptz, timestamptz),
    ledger.striped_page(bigint, bigint, integer, timestamptz, timestamptz),
    ledger.statement_by_effect(bigint, bigint, timestamptz, bigint, integer, timestamptz),
    ledger.outbox_page(bigint, integer, integer, text[], text), ledger.refuse_archived_entry(bigint, uuid, text),
    ledger.refuse_archived_accounts(text[]), ledger.opening_of(bigint),
    ledger.chart_document(smallint), ledger.chart_rule_of(smallint, text),
    ledger.chart_refusal(ledger.chart_rule, text, smallint, bigint, bigint)
TO dwaybank_tenant;
