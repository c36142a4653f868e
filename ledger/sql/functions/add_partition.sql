-- Makes partitions of the journal, p_entries numbers wide each, until they reach to entry p_last_seq. Readers and the
-- writer go on meanwhile: each table is made apart, and attaching it locks nobody out.
CREATE OR REPLACE FUNCTION ledger.make_partitions(p_last_seq bigint, p_entries bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_first bigint := coalesce((SELECT max(last_seq) FROM ledger.partition), 0) + 1;
    v_last bigint;
    v_name name;
BEGIN
    WHILE v_first <= p_last_seq LOOP
        v_last := v_first + p_entries - 1;
        v_name := 'entry_' || v_first;
        EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.entry_form INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name);
        EXECUTE format('ALTER TABLE ledger.%I ADD PRIMARY KEY (seq), ADD UNIQUE (key)', v_name);
        EXECUTE format(
            'CREATE TRIGGER entry_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.%I
                FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit()', v_name
        );
        EXECUTE format(
            'CREATE TRIGGER entry_arrives AFTER INSERT ON ledger.%I
                FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_arrival()', v_name
        );
        EXECUTE format('GRANT INSERT ON ledger.%I TO dwaybank_application', v_name);
        EXECUTE format(
            'ALTER TABLE ledger.entry ATTACH PARTITION ledger.%I FOR VALUES FROM (%s) TO (%s)', v_name, v_first,
            v_last + 1
        );
        INSERT INTO ledger.partition (first_seq, last_seq, table_name) VALUES (v_first, v_last, v_name);
        v_first := v_last + 1;
    END LOOP;
END
$$;

-- The same for the writer, in line with all others who could want it.
CREATE OR REPLACE FUNCTION ledger.add_partition(p_epoch bigint, p_last_seq bigint, p_entries bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    PERFORM ledger.lock_head(p_epoch);
    PERFORM ledger.make_partitions(p_last_seq, p_entries);
END
$$;
