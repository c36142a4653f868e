-- The account's newest entry up to number p_seq, over its stripes where it has some; 0 for none. It may be archived; where
-- only archived entries could tell which one it is, that is told.
--
-- Enters the account's chain at the first mark after p_seq and follows it back: at most 64 entries, as a mark is written
-- at every 64th posting. A commit writes one mark however many of its postings are on the account: where that may be
-- many, the commit's first posting on the account is looked for instead, which in such a commit stands near its start.
--
-- Here, and where else entries are looked up one by one, plans are made once: to plan over all partitions again takes
-- several times as long as to read the entry.
CREATE OR REPLACE FUNCTION ledger.chain_at(p_account_id bigint, p_seq bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    c_walk_max CONSTANT bigint := 128;
    v_seq bigint;
    v_number bigint;
    v_first bigint;
    v_stripes smallint;
BEGIN
    SELECT last_seq, stripes INTO v_seq, v_stripes FROM ledger.account WHERE id = p_account_id;
    IF v_stripes > 0 THEN
        RETURN (
            SELECT max(ledger.chain_at(stripe.id, p_seq)) FROM ledger.account AS stripe
            WHERE stripe.stripe_of = p_account_id
        );
    END IF;
    IF v_seq IS NULL OR v_seq <= p_seq THEN
        RETURN coalesce(v_seq, 0);
    END IF;
    IF p_seq <= ledger.archived_seq() THEN
        SELECT coalesce(max(last_seq), 0) INTO v_seq FROM ledger.account_opening WHERE account_id = p_account_id;
        IF v_seq > p_seq THEN
            PERFORM ledger.refuse_archived('what entry ' || p_seq || ' left of an account', p_seq);
        END IF;
        RETURN v_seq;
    END IF;
    SELECT seq, number INTO v_seq, v_number
    FROM ledger.mark WHERE account_id = p_account_id AND seq > p_seq ORDER BY seq LIMIT 1;
    IF NOT FOUND THEN
        SELECT last_seq INTO v_seq FROM ledger.account WHERE id = p_account_id;
    ELSIF v_number > c_walk_max + coalesce(
        (SELECT number FROM ledger.mark WHERE account_id = p_account_id AND seq <= p_seq ORDER BY seq DESC LIMIT 1), 0
    ) THEN
        SELECT first_seq INTO v_first FROM ledger.batch WHERE first_seq <= v_seq ORDER BY first_seq DESC LIMIT 1;
        IF v_first > p_seq THEN
            SELECT seq INTO v_seq
            FROM ledger.entry
            WHERE seq >= v_first AND (
                debit_account = p_account_id OR credit_account = p_account_id OR p_account_id = ANY (posting_account)
            )
            ORDER BY seq LIMIT 1;
        END IF;
    END IF;
    WHILE v_seq > p_seq LOOP
        SELECT CASE p_account_id
            WHEN debit_account THEN debit_previous
            WHEN credit_account THEN credit_previous
            ELSE posting_previous[array_position(posting_account, p_account_id)]
        END INTO STRICT v_seq FROM ledger.entry WHERE seq = v_seq;
    END LOOP;
    RETURN v_seq;
END
$$;
