-- The two forms in which a pattern is used (ledger/chart.py explains patterns). precedence: variables become letters that
-- sort after all of a reference's own, the narrower first, so that of the patterns a reference fits the one with the
-- first literal difference decides. expression: the regular expression that references must match.
CREATE OR REPLACE FUNCTION ledger.chart_forms(p_pattern text, OUT precedence text, OUT expression text)
LANGUAGE plpgsql IMMUTABLE SET search_path = ledger, pg_temp AS $$
DECLARE
    c_name CONSTANT text := '[a-z][a-z0-9_]{0,30}';
    c_part CONSTANT text := '([A-Za-z0-9_.-]|\{' || c_name || '(=(digits|letters))?\})+';
BEGIN
    IF char_length(p_pattern) > 200 OR p_pattern LIKE '%}{%'
        OR p_pattern !~ ('^(\*|' || c_part || '(:' || c_part || ')*(:\*)?)$') THEN
        RAISE EXCEPTION 'chart pattern % is malformed', p_pattern USING ERRCODE = 'check_violation';
    END IF;
    -- Braces that a step leaves behind match no later step: those ask for a name inside.
    precedence := replace(p_pattern, '*', '~');
    precedence := regexp_replace(precedence, '\{' || c_name || '=letters\}', '|', 'g');
    precedence := regexp_replace(precedence, '\{' || c_name || '\}', '}', 'g');
    precedence := regexp_replace(precedence, '\{' || c_name || '=digits\}', '{', 'g');
    expression := replace(p_pattern, '.', '\.');
    expression := replace(expression, '*', '[A-Za-z0-9:_.-]+');
    expression := regexp_replace(expression, '\{' || c_name || '=letters\}', '[A-Za-z]+', 'g');
    expression := regexp_replace(expression, '\{' || c_name || '=digits\}', '[0-9]+', 'g');
    expression := '^' || regexp_replace(expression, '\{' || c_name || '\}', '[A-Za-z0-9_.-]+', 'g') || '$';
END
$$;

-- The rule that decides over a reference in a book; all null when none fits. Patterns end with a late letter, so that one
-- that goes on with a literal decides before one that has ended.
CREATE OR REPLACE FUNCTION ledger.chart_rule_of(p_book_id smallint, p_reference text) RETURNS ledger.chart_rule
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT rule
    FROM ledger.chart_rule AS rule
    WHERE rule.book_id = p_book_id AND starts_with(p_reference, rule.head) AND p_reference ~ rule.expression
    ORDER BY rule.precedence || '~'
    LIMIT 1
$$;

-- Why an account does not fit the rule that decides over it, in this precedence: 'no_rule', 'wrong_side', 'wrong_asset',
-- 'negative_not_allowed'; null when it fits.
CREATE OR REPLACE FUNCTION ledger.chart_refusal(
    p_rule ledger.chart_rule, p_asset text, p_normal_side smallint, p_floor bigint, p_overdraft bigint
) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN (p_rule).pattern IS NULL THEN 'no_rule'
        WHEN (p_rule).normal_side <> p_normal_side THEN 'wrong_side'
        WHEN cardinality((p_rule).assets) > 0 AND p_asset <> ALL ((p_rule).assets) THEN 'wrong_asset'
        WHEN NOT (p_rule).negative AND (p_floor IS NULL OR p_floor::numeric - p_overdraft < 0)
            THEN 'negative_not_allowed'
    END
$$;

-- Whether the enforced chart of its book keeps the balance of an account from falling below zero.
CREATE OR REPLACE FUNCTION ledger.chart_forbids_negative(p_account ledger.account) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT NOT coalesce((ledger.chart_rule_of(book.id, p_account.reference)).negative, true)
    FROM ledger.book
    WHERE book.enforced AND book.id = p_account.book_id
$$;

-- Writes one change of a book's structure into its history. The caller holds the book's lock.
CREATE OR REPLACE FUNCTION ledger.chart_note(p_book_id smallint, p_actor text, p_now timestamptz, p_what jsonb)
RETURNS bigint
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_version bigint;
BEGIN
    UPDATE ledger.book SET version = version + 1 WHERE id = p_book_id RETURNING version INTO STRICT v_version;
    INSERT INTO ledger.chart_change (book_id, number, at, actor, what)
    VALUES (p_book_id, v_version, p_now, p_actor, p_what);
    RETURN v_version;
END
$$;

-- Makes these the rules of a book, all at once. p_version is the version that the caller has read, null to replace
-- whatever stands. code: 'changed', 'unchanged', 'book_not_found', 'changed_meanwhile', 'asset_not_found',
-- 'pattern_stands_twice'. detail: the asset or pattern meant.
CREATE OR REPLACE FUNCTION ledger.chart_define(
    p_book text, p_rules jsonb, p_enforced boolean, p_version bigint, p_actor text, p_now timestamptz,
    OUT code text, OUT detail text
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_book ledger.book;
BEGIN
    detail := '';
    SELECT * INTO v_book FROM ledger.book WHERE book.code = p_book FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        code := 'book_not_found';
        RETURN;
    ELSIF v_book.version <> p_version THEN
        code := 'changed_meanwhile';
        RETURN;
    END IF;
    SELECT name INTO detail
    FROM jsonb_array_elements(p_rules) AS rule
    CROSS JOIN LATERAL jsonb_array_elements_text(rule -> 'assets') AS name
    WHERE NOT EXISTS (SELECT FROM ledger.asset WHERE asset.code = name)
    LIMIT 1;
    IF FOUND THEN
        code := 'asset_not_found';
        RETURN;
    END IF;
    SELECT min(rule ->> 'pattern') INTO detail
    FROM jsonb_array_elements(p_rules) AS rule
    CROSS JOIN LATERAL ledger.chart_forms(rule ->> 'pattern') AS form
    GROUP BY form.precedence
    HAVING count(*) > 1
    LIMIT 1;
    IF FOUND THEN
        code := 'pattern_stands_twice';
        RETURN;
    END IF;
    detail := '';
    IF v_book.enforced = p_enforced AND ledger.chart_document(v_book.id) = p_rules THEN
        code := 'unchanged';
        RETURN;
    END IF;
    DELETE FROM ledger.chart_rule WHERE book_id = v_book.id;
    INSERT INTO ledger.chart_rule (
        book_id, pattern, precedence, expression, normal_side, assets, negative, floor, overdraft, ceiling
    )
    SELECT v_book.id, rule ->> 'pattern', form.precedence, form.expression, (rule ->> 'normal_side')::smallint,
        ARRAY(SELECT jsonb_array_elements_text(rule -> 'assets')), (rule ->> 'negative')::boolean,
        (rule ->> 'floor')::bigint, (rule ->> 'overdraft')::bigint, (rule ->> 'ceiling')::bigint
    FROM jsonb_array_elements(p_rules) AS rule
    CROSS JOIN LATERAL ledger.chart_forms(rule ->> 'pattern') AS form;
    UPDATE ledger.book SET enforced = p_enforced WHERE id = v_book.id;
    PERFORM ledger.chart_note(
        v_book.id, p_actor, p_now, jsonb_build_object('enforced', p_enforced, 'rules', ledger.chart_document(v_book.id))
    );
    code := 'changed';
END
$$;

-- The rules of a book as one document, in their precedence: what chart_define takes and history keeps.
CREATE OR REPLACE FUNCTION ledger.chart_document(p_book_id smallint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(
        jsonb_agg(
            jsonb_build_object(
                'pattern', pattern, 'normal_side', normal_side, 'assets', to_jsonb(assets), 'negative', negative,
                'floor', floor, 'overdraft', overdraft, 'ceiling', ceiling
            )
            ORDER BY precedence || '~'
        ),
        '[]'::jsonb
    )
    FROM ledger.chart_rule
    WHERE book_id = p_book_id
$$;
