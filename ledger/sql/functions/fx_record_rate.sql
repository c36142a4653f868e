-- Keeps a rate as evidence, or finds it kept. code: 'created', 'exists', 'asset_not_found'. A source that corrects itself
-- leaves both rates on record.
CREATE OR REPLACE FUNCTION ledger.fx_record_rate(
    p_base text, p_quote text, p_rate text, p_source text, p_quoted_at timestamptz, p_received_at timestamptz, p_actor text
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_base smallint := (SELECT id FROM ledger.asset WHERE code = p_base);
    v_quote smallint := (SELECT id FROM ledger.asset WHERE code = p_quote);
BEGIN
    IF v_base IS NULL OR v_quote IS NULL THEN
        RETURN 'asset_not_found';
    END IF;
    INSERT INTO ledger.fx_rate (base_id, quote_id, rate, source, quoted_at, received_at, actor)
    VALUES (v_base, v_quote, p_rate, p_source, p_quoted_at, p_received_at, p_actor)
    ON CONFLICT (base_id, quote_id, source, quoted_at, rate) DO NOTHING;
    RETURN CASE WHEN FOUND THEN 'created' ELSE 'exists' END;
END
$$;
