-- SHA-256 over a period's bounds, its figures and the digest of the period before: one changed figure changes all after.
CREATE OR REPLACE FUNCTION ledger.period_digest(
    p_period ledger.period, p_entry_count bigint, p_lines jsonb, p_previous bytea
) RETURNS bytea
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT sha256('dwaybank.node/period'::bytea || '\x01'::bytea || p_previous || convert_to(concat_ws(
        E'\n', p_period.number,
        CASE WHEN isfinite(p_period.opened_at) THEN (extract(epoch FROM p_period.opened_at) * 1000000)::bigint::text ELSE '-' END,
        (extract(epoch FROM p_period.closed_before) * 1000000)::bigint,
        (extract(epoch FROM p_period.closed_at) * 1000000)::bigint,
        p_period.last_seq, p_period.actor, p_entry_count,
        (
            SELECT string_agg(
                concat_ws(' ', line ->> 'asset', line ->> 'debit', line ->> 'credit', line ->> 'debit_turnover',
                    line ->> 'credit_turnover'),
                E'\n' ORDER BY number
            )
            FROM jsonb_array_elements(p_lines) WITH ORDINALITY AS element (line, number)
        )
    ), 'UTF8'))
$$;
