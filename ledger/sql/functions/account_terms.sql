-- Sets the status (1 open, 2 frozen, 3 closed) and all terms of an account, nulls meaning none, in line with the postings
-- before and after. A closed account must be empty; what it has must satisfy the new terms at once. code, in this
-- precedence: 'account_not_found', 'unchanged', 'account_not_empty', 'chart_refused' (its book's chart is enforced and
-- allows no negative balance), 'account_striped' (its stripes can keep a floor of 0 or none, and nothing else),
-- 'below_floor', 'above_ceiling', 'changed'. The stripes of a striped account keep the same terms.
CREATE OR REPLACE FUNCTION ledger.set_account_terms(
    p_epoch bigint, p_reference text, p_status smallint, p_floor bigint, p_overdraft bigint, p_ceiling bigint,
    p_actor text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_account ledger.account;
    v_before jsonb;
    v_after jsonb;
    v_least bigint;
BEGIN
    SELECT * INTO v_account FROM ledger.account WHERE reference = p_reference AND stripe_of IS NULL;
    IF NOT FOUND THEN
        RETURN 'account_not_found';
    END IF;
    IF v_account.stripes > 0 THEN
        SELECT sum(balance), min(balance) INTO v_account.balance, v_least
        FROM ledger.account WHERE stripe_of = v_account.id;
    END IF;
    v_before := ledger.account_terms(v_account.status, v_account.floor, v_account.overdraft, v_account.ceiling);
    v_after := ledger.account_terms(p_status, p_floor, p_overdraft, p_ceiling);
    IF v_before = v_after THEN
        RETURN 'unchanged';
    ELSIF p_status = 3 AND (v_account.balance <> 0 OR v_account.held <> 0) THEN
        RETURN 'account_not_empty';
    ELSIF (v_account.floor, v_account.overdraft) IS DISTINCT FROM (p_floor, p_overdraft)
        AND (p_floor IS NULL OR p_floor < p_overdraft) AND ledger.chart_forbids_negative(v_account) THEN
        RETURN 'chart_refused';
    ELSIF v_account.stripes > 0 AND (coalesce(p_floor, 0), p_overdraft, p_ceiling) IS DISTINCT FROM (0, 0, NULL) THEN
        RETURN 'account_striped';
    ELSIF coalesce(v_least, v_account.balance - v_account.held) < p_floor - p_overdraft THEN
        RETURN 'below_floor';
    ELSIF v_account.balance > p_ceiling THEN
        RETURN 'above_ceiling';
    END IF;
    UPDATE ledger.account
    SET status = p_status, floor = p_floor, overdraft = p_overdraft, ceiling = p_ceiling, terms = terms + 1
    WHERE id = v_account.id OR stripe_of = v_account.id;
    INSERT INTO ledger.account_change (account_id, number, at, actor, before, after)
    SELECT id, v_account.terms + 1, p_now, p_actor, v_before, v_after
    FROM ledger.account WHERE id = v_account.id OR stripe_of = v_account.id;
    PERFORM ledger.add_event('account.changed', v_account.id, p_now, jsonb_strip_nulls(jsonb_build_object(
        'change', v_account.terms + 1,
        'status', v_after->>'status',
        'floor_minor', p_floor::text,
        'overdraft_minor', p_overdraft::text,
        'ceiling_minor', p_ceiling::text
    )));
    RETURN 'changed';
END
$$;

-- Status and terms as history keeps them.
CREATE OR REPLACE FUNCTION ledger.account_terms(p_status smallint, p_floor bigint, p_overdraft bigint, p_ceiling bigint)
RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'status', CASE p_status WHEN 1 THEN 'open' WHEN 2 THEN 'frozen' WHEN 3 THEN 'closed' END,
        'floor', p_floor, 'overdraft', p_overdraft, 'ceiling', p_ceiling
    )
$$;
