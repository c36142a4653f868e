-- Makes a table like entry_form, with entries p_first_seq .. p_last_seq or none, a partition of the journal. Runs with the
-- rights of its caller, who owns the books; attaching locks out neither readers nor the writer.
CREATE OR REPLACE FUNCTION ledger.join_partition(p_name text, p_first_seq bigint, p_last_seq bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE ledger.%I ADD PRIMARY KEY (seq), ADD UNIQUE (key)', p_name);
    -- Triggers on statements are not handed down: they fire where the statement names the table.
    EXECUTE format(
        'CREATE TRIGGER entry_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.%I
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit()', p_name
    );
    EXECUTE format(
        'CREATE TRIGGER entry_arrives AFTER INSERT ON ledger.%I
            FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_arrival()', p_name
    );
    -- Everybody reads the journal, nobody a partition.
    EXECUTE format('REVOKE ALL ON ledger.%I FROM dwaybank_application, dwaybank_reader', p_name);
    EXECUTE format('GRANT INSERT ON ledger.%I TO dwaybank_application', p_name);
    EXECUTE format(
        'ALTER TABLE ledger.entry ATTACH PARTITION ledger.%I FOR VALUES FROM (%s) TO (%s)', p_name, p_first_seq,
        p_last_seq + 1
    );
    INSERT INTO ledger.partition (first_seq, last_seq, table_name) VALUES (p_first_seq, p_last_seq, p_name);
END
$$;

-- Makes partitions of the journal until they reach to entry p_last_seq. Readers and the writer go on meanwhile. Runs with the
-- rights of its caller, too.
CREATE OR REPLACE FUNCTION ledger.make_partitions(p_last_seq bigint) RETURNS void
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_first bigint;
    v_last bigint;
    v_entries bigint;
    v_name text;
BEGIN
    -- Several may find at once that there is none.
    LOCK TABLE ledger.partition IN SHARE ROW EXCLUSIVE MODE;
    SELECT greatest(max(last_seq), ledger.archived_seq()) + 1 INTO v_first FROM ledger.partition;
    SELECT entries INTO STRICT v_entries FROM ledger.partition_size;
    WHILE v_first <= p_last_seq LOOP
        v_last := v_first + v_entries - 1;
        v_name := 'entry_' || v_first;
        EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.entry_form INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name);
        PERFORM ledger.join_partition(v_name, v_first, v_last);
        v_first := v_last + 1;
    END LOOP;
END
$$;

-- The same for the writer, whose next entries reach to p_last_seq.
CREATE OR REPLACE FUNCTION ledger.provide_partitions(p_last_seq bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    c_ahead_max CONSTANT bigint := 1000000;
    v_next bigint;
BEGIN
    SELECT next_seq INTO STRICT v_next FROM ledger.head;
    IF p_last_seq > v_next + c_ahead_max THEN
        RAISE EXCEPTION 'entry % is too far ahead of entry %, the next one', p_last_seq, v_next USING ERRCODE = 'DW003';
    END IF;
    PERFORM ledger.make_partitions(p_last_seq);
END
$$;

-- Makes the next partition once the newest is three quarters full, so that no batch ever waits for it.
CREATE OR REPLACE FUNCTION ledger.keep_partition_ahead() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_wanted bigint;
BEGIN
    SELECT next_seq - 1 + greatest(coalesce(newest.last_seq - newest.first_seq + 1, 0) / 4, 1) INTO STRICT v_wanted
    FROM ledger.head
    LEFT JOIN (SELECT first_seq, last_seq FROM ledger.partition ORDER BY last_seq DESC LIMIT 1) AS newest ON true;
    IF NOT EXISTS (SELECT FROM ledger.partition WHERE last_seq >= v_wanted) THEN
        PERFORM ledger.make_partitions(v_wanted);
    END IF;
END
$$;
