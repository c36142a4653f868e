-- Opens an account, or finds the same one open already. A null side takes side and terms from the chart of the book.
-- code, in this precedence: 'exists', 'exists_with_different_body', 'asset_not_found', 'book_not_found',
-- 'portfolio_not_found', 'segment_not_found', 'alias_taken', 'chart_refused' (rule and reason say why), 'created'.
-- Touches no balance, so it needs no place in the writer's line.
CREATE OR REPLACE FUNCTION ledger.open_account(
    p_reference text, p_asset text, p_normal_side smallint, p_floor bigint, p_overdraft bigint, p_ceiling bigint,
    p_book text, p_portfolio text, p_segment text, p_alias text, p_metadata jsonb, p_actor text, p_now timestamptz,
    OUT code text, OUT rule text, OUT reason text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_hash bytea := sha256(convert_to(jsonb_build_array(
        p_asset, p_normal_side, p_floor, p_overdraft, p_ceiling, p_book, p_portfolio, p_segment, p_alias, p_metadata
    )::text, 'UTF8'));
    v_asset smallint;
    v_book ledger.book;
    v_portfolio_id integer;
    v_segment_id integer;
    v_rule ledger.chart_rule;
    v_account_id bigint;
    v_by_chart boolean := p_normal_side IS NULL;
BEGIN
    code := ledger.account_opened_before(p_reference, v_hash, p_asset, p_normal_side, p_floor);
    IF code IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT id INTO v_asset FROM ledger.asset WHERE asset.code = p_asset;
    SELECT * INTO v_book FROM ledger.book WHERE book.code = p_book;
    SELECT id INTO v_portfolio_id FROM ledger.portfolio WHERE book_id = v_book.id AND portfolio.code = p_portfolio;
    SELECT id INTO v_segment_id FROM ledger.segment WHERE book_id = v_book.id AND segment.code = p_segment;
    code := CASE
        WHEN v_asset IS NULL THEN 'asset_not_found'
        WHEN v_book.id IS NULL THEN 'book_not_found'
        WHEN p_portfolio <> '' AND v_portfolio_id IS NULL THEN 'portfolio_not_found'
        WHEN p_segment <> '' AND v_segment_id IS NULL THEN 'segment_not_found'
        WHEN EXISTS (SELECT FROM ledger.alias WHERE alias = p_alias AND account_id IS NOT NULL) THEN 'alias_taken'
    END;
    IF code IS NOT NULL THEN
        RETURN;
    END IF;
    v_rule := ledger.chart_rule_of(v_book.id, p_reference);
    IF v_by_chart THEN
        p_normal_side := v_rule.normal_side;
        p_floor := v_rule.floor;
        p_overdraft := v_rule.overdraft;
        p_ceiling := v_rule.ceiling;
    END IF;
    reason := ledger.chart_refusal(v_rule, p_asset, p_normal_side, p_floor, p_overdraft);
    IF reason IS NOT NULL AND (v_book.enforced OR v_by_chart) THEN
        code := 'chart_refused';
        rule := coalesce(v_rule.pattern, '');
        RETURN;
    END IF;
    INSERT INTO ledger.account (reference, asset_id, normal_side, floor, overdraft, ceiling, opened_at, book_id)
    VALUES (p_reference, v_asset, p_normal_side, p_floor, p_overdraft, p_ceiling, p_now, v_book.id)
    ON CONFLICT (reference) DO NOTHING
    RETURNING id INTO v_account_id;
    IF NOT FOUND THEN
        -- Opened at this same moment by someone else.
        code := ledger.account_opened_before(p_reference, v_hash, p_asset, p_normal_side, p_floor);
        RETURN;
    END IF;
    INSERT INTO ledger.account_place (account_id, book_id, portfolio_id, segment_id, opening_hash, opened_by)
    VALUES (v_account_id, v_book.id, v_portfolio_id, v_segment_id, v_hash, p_actor);
    IF p_metadata <> '{}' THEN
        PERFORM ledger.account_set_metadata(p_reference, p_metadata, p_actor, p_now);
    END IF;
    IF p_alias <> '' AND ledger.account_set_alias(p_alias, p_reference, false, p_actor, p_now) <> 'changed' THEN
        RAISE EXCEPTION 'alias % was taken at this moment', p_alias USING ERRCODE = 'DW004';
    END IF;
    code := 'created';
END
$$;

-- Whether an account stands under the reference: null, 'exists' when it was opened by the same request, or
-- 'exists_with_different_body'. One that was opened before requests were kept is compared by what it was opened with.
CREATE OR REPLACE FUNCTION ledger.account_opened_before(
    p_reference text, p_hash bytea, p_asset text, p_normal_side smallint, p_floor bigint
) RETURNS text
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT CASE
        WHEN place.opening_hash = p_hash THEN 'exists'
        WHEN place.opening_hash IS NULL AND asset.code = p_asset AND account.normal_side = p_normal_side
            AND CASE
                WHEN first.before IS NULL THEN account.floor
                ELSE (first.before ->> 'floor')::bigint
            END IS NOT DISTINCT FROM p_floor THEN 'exists'
        ELSE 'exists_with_different_body'
    END
    FROM ledger.account
    JOIN ledger.asset ON asset.id = account.asset_id
    LEFT JOIN ledger.account_place AS place ON place.account_id = account.id
    LEFT JOIN ledger.account_change AS first ON first.account_id = account.id AND first.number = 1
    WHERE account.reference = p_reference
$$;
