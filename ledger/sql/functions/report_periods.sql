-- Writes the report of every closed period that has none yet, oldest first: figures and the digest over them. Beside the
-- writer, as nothing can be posted into a closed period, and what is told is what was known at its closing.
CREATE OR REPLACE FUNCTION ledger.report_periods(p_now timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_period ledger.period;
    v_figures record;
    v_count integer := 0;
BEGIN
    LOCK TABLE ledger.period_report IN SHARE ROW EXCLUSIVE MODE;
    FOR v_period IN
        SELECT * FROM ledger.period
        WHERE NOT EXISTS (SELECT FROM ledger.period_report AS report WHERE report.number = period.number)
        ORDER BY number
    LOOP
        SELECT * INTO STRICT v_figures FROM ledger.period_figures(v_period.number);
        INSERT INTO ledger.period_report (number, reported_at, entry_count, lines, digest)
        VALUES (
            v_period.number, p_now, v_figures.entry_count, v_figures.lines,
            ledger.period_digest(v_period, v_figures.entry_count, v_figures.lines, coalesce(
                (SELECT report.digest FROM ledger.period_report AS report WHERE report.number = v_period.number - 1),
                '\x'::bytea
            ))
        );
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END
$$;
