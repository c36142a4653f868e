-- Who may call the doors. Runs after functions and views on every start, so that a new one is never left open.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ledger FROM PUBLIC;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ledger FROM dwaybank_application, dwaybank_reader;
GRANT USAGE ON SCHEMA ledger TO dwaybank_application, dwaybank_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO dwaybank_application, dwaybank_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA ledger TO dwaybank_application;
-- The writer appends entries itself, by COPY; triggers see to it that nothing uncovered by a signed batch is committed.
GRANT INSERT ON ledger.entry TO dwaybank_application;
