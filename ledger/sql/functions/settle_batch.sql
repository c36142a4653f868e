-- Ends the writer's database transaction: proves that its copy of the books was true, and makes the outcome the books.
--
-- The caller has appended entries p_first_seq .. p_last_seq (none where p_last_seq is p_first_seq - 1). Under the head's
-- lock: no period may have been closed unknown to the caller; the entries must continue the sequence without a gap; their
-- keys must be new; none may take back an archived entry; every account changed must still stand as the caller knew it (balance, held money, terms, and open
-- where its balance moves). Then accounts, marks, batch and head are written. Nothing of it can be half done.
CREATE OR REPLACE FUNCTION ledger.settle_batch(
    p_epoch bigint,
    p_posted_at timestamptz,
    p_closed_before timestamptz,
    p_first_seq bigint,
    p_last_seq bigint,
    p_account bigint[],
    p_balance_old bigint[],
    p_balance bigint[],
    p_held_old bigint[],
    p_held bigint[],
    p_terms bigint[],
    p_last_of bigint[],
    p_posting_count bigint[],
    p_mark_account bigint[],
    p_mark_number bigint[],
    p_mark_seq bigint[],
    p_digest bytea,
    p_signature bytea,
    p_salt_secret bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_greatest uuid := ledger.greatest_old_key(p_last_seq);
    v_count bigint;
    v_old bigint;
BEGIN
    IF v_head.next_seq <> p_first_seq OR p_posted_at < v_head.posted_at THEN
        RAISE EXCEPTION 'the writer stands at entry %, the books at %', p_first_seq, v_head.next_seq
            USING ERRCODE = 'DW004';
    END IF;
    IF v_head.closed_before > coalesce(p_closed_before, '-infinity') THEN
        RAISE EXCEPTION 'a period was closed that the writer does not know of' USING ERRCODE = 'DW004';
    END IF;
    SELECT count(*), count(*) FILTER (WHERE key <= v_greatest) INTO v_count, v_old
    FROM ledger.entry WHERE seq >= p_first_seq;
    IF v_count <> p_last_seq - p_first_seq + 1
        OR v_count > 0 AND NOT EXISTS (SELECT FROM ledger.entry WHERE seq = p_last_seq) THEN
        RAISE EXCEPTION 'entries % to % do not continue the sequence: % stand', p_first_seq, p_last_seq, v_count
            USING ERRCODE = 'DW003';
    END IF;
    IF v_old > 0 THEN
        PERFORM ledger.refuse_old_keys(p_first_seq, p_last_seq, v_greatest);
    END IF;
    v_old := ledger.archived_seq();
    IF v_old > 0 AND EXISTS (
        SELECT FROM ledger.entry WHERE reverses BETWEEN 1 AND v_old AND seq BETWEEN p_first_seq AND p_last_seq
    ) THEN
        RAISE EXCEPTION 'an entry that is taken back was archived meanwhile' USING ERRCODE = 'DW004';
    END IF;

    UPDATE ledger.account
    SET balance = given.balance, held = given.held, last_seq = given.last_seq, posting_count = given.posting_count
    FROM (
        -- In the select list, unnest streams; in FROM it would store every column first.
        SELECT unnest(p_account) AS id, unnest(p_balance_old) AS balance_old, unnest(p_balance) AS balance,
            unnest(p_held_old) AS held_old, unnest(p_held) AS held, unnest(p_terms) AS terms,
            unnest(p_last_of) AS last_seq, unnest(p_posting_count) AS posting_count
    ) AS given
    WHERE account.id = given.id AND account.balance = given.balance_old AND account.held = given.held_old
        AND account.terms = given.terms AND (account.status = 1 OR given.balance = given.balance_old)
        -- A striped account's own row never moves.
        AND account.stripes = 0;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count <> cardinality(p_account) THEN
        RAISE EXCEPTION '% of % accounts do not stand as the writer knew them', cardinality(p_account) - v_count,
            cardinality(p_account) USING ERRCODE = 'DW004';
    END IF;

    IF cardinality(p_mark_account) > 0 THEN
        INSERT INTO ledger.mark (account_id, number, seq, posted_at)
        SELECT unnest(p_mark_account), unnest(p_mark_number), unnest(p_mark_seq), p_posted_at;
    END IF;

    IF p_last_seq >= p_first_seq THEN
        INSERT INTO ledger.batch (first_seq, last_seq, epoch, digest, signature, salt_secret)
        VALUES (p_first_seq, p_last_seq, p_epoch, p_digest, p_signature, p_salt_secret);
        UPDATE ledger.head SET next_seq = p_last_seq + 1, signed_seq = p_last_seq, posted_at = p_posted_at
        WHERE id = 1;
        DELETE FROM ledger.arrival WHERE transaction = pg_current_xact_id();
    ELSIF p_posted_at > v_head.posted_at THEN
        UPDATE ledger.head SET posted_at = p_posted_at WHERE id = 1;
    END IF;
END
$$;
