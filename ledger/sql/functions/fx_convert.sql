-- What an amount at a rate comes to, derived with whole numbers only; null when anything about it is malformed.
-- p_amount: minor units with p_from_scale digits; p_inverse: from quote to base instead of from base to quote.
CREATE OR REPLACE FUNCTION ledger.fx_convert(
    p_amount numeric, p_rate text, p_inverse boolean, p_from_scale integer, p_to_scale integer, p_rounding text
) RETURNS numeric
LANGUAGE sql IMMUTABLE SET search_path = ledger, pg_temp AS $$
    SELECT sign(p_amount) * CASE p_rounding
        WHEN 'half_even' THEN whole + CASE WHEN 2 * rest > under OR (2 * rest = under AND mod(whole, 2) = 1) THEN 1 ELSE 0 END
        WHEN 'half_up' THEN whole + CASE WHEN 2 * rest >= under THEN 1 ELSE 0 END
        WHEN 'down' THEN whole
        WHEN 'up' THEN whole + CASE WHEN rest > 0 THEN 1 ELSE 0 END
    END
    FROM (SELECT ledger.fx_ratio(p_rate) AS ratio) AS parsed
    CROSS JOIN LATERAL (
        SELECT
            abs(p_amount) * ratio[CASE WHEN p_inverse THEN 2 ELSE 1 END] * ('1' || repeat('0', p_to_scale))::numeric AS above,
            ratio[CASE WHEN p_inverse THEN 1 ELSE 2 END] * ('1' || repeat('0', p_from_scale))::numeric AS under
    ) AS line
    CROSS JOIN LATERAL (SELECT div(above, under) AS whole, mod(above, under) AS rest) AS divided
$$;
-- Whoever reads ledger.rate_audit calls these; they tell nothing that is not given to them.
GRANT EXECUTE ON FUNCTION ledger.fx_convert(numeric, text, boolean, integer, integer, text) TO dwaybank_reader;
GRANT EXECUTE ON FUNCTION ledger.fx_ratio(text) TO dwaybank_reader;
