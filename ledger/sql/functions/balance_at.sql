-- The account's balance, over its stripes where it has some, from postings that stand in entries up to p_known_seq and
-- count for p_effective_at or before.
--
-- p_effective_seq is the newest entry posted at p_effective_at or before (ledger.seq_at). A posting that is not dated
-- counts for the time of its posting: such ones count up to entry least(p_known_seq, p_effective_seq). The chain's
-- balance there, less the dated ones in it, is their sum; the dated ones are summed by their own times.
CREATE OR REPLACE FUNCTION ledger.balance_at(
    p_account_id bigint, p_known_seq bigint, p_effective_seq bigint, p_effective_at timestamptz
) RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_seq bigint := least(p_known_seq, p_effective_seq);
    v_newest bigint;
    v_balance numeric;
    v_block bigint;
    v_total numeric;
BEGIN
    IF EXISTS (SELECT FROM ledger.account WHERE id = p_account_id AND stripes > 0) THEN
        RETURN (
            SELECT sum(ledger.balance_at(stripe.id, p_known_seq, p_effective_seq, p_effective_at))
            FROM ledger.account AS stripe WHERE stripe.stripe_of = p_account_id
        );
    END IF;
    v_newest := ledger.chain_at(p_account_id, v_seq);
    SELECT CASE p_account_id
        WHEN debit_account THEN debit_balance
        WHEN credit_account THEN credit_balance
        ELSE (
            SELECT posting.balance
            FROM unnest(posting_account, posting_balance) WITH ORDINALITY AS posting (account_id, balance, number)
            WHERE posting.account_id = p_account_id
            ORDER BY posting.number DESC LIMIT 1
        )
    END INTO v_balance FROM ledger.entry WHERE seq = v_newest;
    IF NOT FOUND AND v_newest > 0 THEN
        -- Archived: the account has not moved between it and the border.
        SELECT balance INTO STRICT v_balance FROM ledger.account_opening
        WHERE account_id = p_account_id AND last_seq = v_newest;
    END IF;
    v_balance := coalesce(v_balance, 0);
    IF NOT EXISTS (SELECT FROM ledger.dated_posting WHERE account_id = p_account_id AND seq <= p_known_seq) THEN
        RETURN v_balance;
    END IF;

    -- Out of the chain's balance: whole blocks, then the postings after the last of them.
    SELECT last_seq, total INTO v_block, v_total FROM ledger.dated_block
    WHERE account_id = p_account_id AND level = 0 AND last_seq <= v_seq
    ORDER BY last_seq DESC LIMIT 1;
    v_balance := v_balance - coalesce(v_total, 0) - (
        SELECT coalesce(sum(change), 0) FROM ledger.dated_posting
        WHERE account_id = p_account_id AND seq > coalesce(v_block, 0) AND seq <= v_seq
    );

    -- And in again by the time they count for: large blocks, small blocks after the last of them, single postings.
    SELECT coalesce(max(last_seq), 0) INTO v_block FROM ledger.dated_block
    WHERE account_id = p_account_id AND level = 1 AND last_seq <= p_known_seq;
    SELECT v_balance + coalesce(sum(counted.total), 0), greatest(max(block.last_seq), v_block)
    INTO v_balance, v_block
    FROM (
        SELECT level, last_seq FROM ledger.dated_block
        WHERE account_id = p_account_id AND level = 1 AND last_seq <= v_block
        UNION ALL
        SELECT level, last_seq FROM ledger.dated_block
        WHERE account_id = p_account_id AND level = 0 AND last_seq > v_block AND last_seq <= p_known_seq
    ) AS block
    LEFT JOIN LATERAL (
        SELECT dated_sum.total FROM ledger.dated_sum
        WHERE dated_sum.account_id = p_account_id AND dated_sum.level = block.level
            AND dated_sum.last_seq = block.last_seq AND dated_sum.effective_at <= p_effective_at
        ORDER BY dated_sum.effective_at DESC LIMIT 1
    ) AS counted ON true;
    RETURN v_balance + (
        SELECT coalesce(sum(change), 0) FROM ledger.dated_posting
        WHERE account_id = p_account_id AND seq > v_block AND seq <= p_known_seq AND effective_at <= p_effective_at
    );
END
$$;

-- The same for callers outside the books: of an account that the caller sees, and null for any other.
CREATE OR REPLACE FUNCTION ledger.balance_seen(p_account_id bigint, p_known_seq bigint, p_effective_at timestamptz)
RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF ledger.sees_account(p_account_id) THEN
        RETURN ledger.balance_at(
            p_account_id, p_known_seq, ledger.seq_at(p_effective_at, p_account_id), p_effective_at
        );
    END IF;
    RETURN NULL;
END
$$;

-- The newest entry posted at p_known_at or before, for questions about an account. To a tenant the account's own newest
-- one, which gives the same answers and says nothing about other accounts.
CREATE OR REPLACE FUNCTION ledger.known_seq(p_account_id bigint, p_known_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF ledger.sees_all() THEN
        RETURN ledger.seq_at(p_known_at, p_account_id);
    ELSIF ledger.sees_account(p_account_id) THEN
        RETURN ledger.chain_at(p_account_id, ledger.seq_at(p_known_at, p_account_id));
    END IF;
    RETURN 0;
END
$$;
