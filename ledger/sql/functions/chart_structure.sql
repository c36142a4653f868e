-- Opens a book. code: 'created', 'exists'.
CREATE OR REPLACE FUNCTION ledger.chart_open_book(p_book text, p_actor text, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_id smallint;
BEGIN
    INSERT INTO ledger.book (code) VALUES (p_book) ON CONFLICT (code) DO NOTHING RETURNING id INTO v_id;
    IF NOT FOUND THEN
        RETURN 'exists';
    END IF;
    PERFORM ledger.chart_note(v_id, p_actor, p_now, jsonb_build_object('book', p_book));
    RETURN 'created';
END
$$;

-- Opens a portfolio of a book. code: 'created', 'exists', 'book_not_found'.
CREATE OR REPLACE FUNCTION ledger.chart_open_portfolio(p_book text, p_code text, p_actor text, p_now timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_book_id smallint;
BEGIN
    SELECT id INTO v_book_id FROM ledger.book WHERE book.code = p_book FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'book_not_found';
    END IF;
    INSERT INTO ledger.portfolio (book_id, code) VALUES (v_book_id, p_code) ON CONFLICT (book_id, code) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'exists';
    END IF;
    PERFORM ledger.chart_note(v_book_id, p_actor, p_now, jsonb_build_object('portfolio', p_code));
    RETURN 'created';
END
$$;

-- Opens a segment of a book. code: 'created', 'exists', 'book_not_found'.
CREATE OR REPLACE FUNCTION ledger.chart_open_segment(p_book text, p_code text, p_actor text, p_now timestamptz)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_book_id smallint;
BEGIN
    SELECT id INTO v_book_id FROM ledger.book WHERE book.code = p_book FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'book_not_found';
    END IF;
    INSERT INTO ledger.segment (book_id, code) VALUES (v_book_id, p_code) ON CONFLICT (book_id, code) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'exists';
    END IF;
    PERFORM ledger.chart_note(v_book_id, p_actor, p_now, jsonb_build_object('segment', p_code));
    RETURN 'created';
END
$$;

-- Moves an account to a portfolio and a segment of its book, empty for none. code: 'changed', 'unchanged',
-- 'account_not_found', 'portfolio_not_found', 'segment_not_found'.
CREATE OR REPLACE FUNCTION ledger.chart_place_account(
    p_reference text, p_portfolio text, p_segment text, p_actor text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_account_id bigint;
    v_place ledger.account_place;
    v_portfolio_id integer;
    v_segment_id integer;
BEGIN
    SELECT id INTO v_account_id FROM ledger.account WHERE reference = p_reference;
    IF NOT FOUND THEN
        RETURN 'account_not_found';
    END IF;
    INSERT INTO ledger.account_place (account_id, book_id) SELECT id, book_id FROM ledger.account WHERE id = v_account_id
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT v_place FROM ledger.account_place WHERE account_id = v_account_id FOR NO KEY UPDATE;
    IF p_portfolio <> '' THEN
        SELECT id INTO v_portfolio_id FROM ledger.portfolio WHERE book_id = v_place.book_id AND code = p_portfolio;
        IF NOT FOUND THEN
            RETURN 'portfolio_not_found';
        END IF;
    END IF;
    IF p_segment <> '' THEN
        SELECT id INTO v_segment_id FROM ledger.segment WHERE book_id = v_place.book_id AND code = p_segment;
        IF NOT FOUND THEN
            RETURN 'segment_not_found';
        END IF;
    END IF;
    IF (v_place.portfolio_id, v_place.segment_id) IS NOT DISTINCT FROM (v_portfolio_id, v_segment_id) THEN
        RETURN 'unchanged';
    END IF;
    UPDATE ledger.account_place SET portfolio_id = v_portfolio_id, segment_id = v_segment_id
    WHERE account_id = v_account_id;
    PERFORM ledger.chart_note(
        v_place.book_id, p_actor, p_now,
        jsonb_build_object(
            'account', p_reference,
            'portfolio', jsonb_build_array(
                (SELECT code FROM ledger.portfolio WHERE id = v_place.portfolio_id), nullif(p_portfolio, '')
            ),
            'segment', jsonb_build_array(
                (SELECT code FROM ledger.segment WHERE id = v_place.segment_id), nullif(p_segment, '')
            )
        )
    );
    RETURN 'changed';
END
$$;
