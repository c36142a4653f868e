-- Who may call the doors. Runs after functions and views on every start, so that a new one is never left open.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ledger FROM dwaybank_application, dwaybank_reader;
GRANT USAGE ON SCHEMA ledger TO dwaybank_application, dwaybank_reader;
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
