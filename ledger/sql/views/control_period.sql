-- Closed periods with their figures, one row for each asset: debits equal credits in both pairs of sound books. A period
-- without any movement or balance has one row with no asset, one without a report yet has null figures.
CREATE OR REPLACE VIEW ledger.control_period AS
SELECT period.number, period.opened_at, period.closed_before, period.closed_at, period.actor, period.last_seq,
    reopening.number IS NULL AS standing, report.entry_count, line.asset, line.debit, line.credit,
    line.debit_turnover, line.credit_turnover
FROM ledger.period
LEFT JOIN ledger.period_reopening AS reopening ON reopening.number = period.number
LEFT JOIN ledger.period_report AS report ON report.number = period.number
LEFT JOIN LATERAL jsonb_to_recordset(report.lines) AS line (
    asset text, debit numeric, credit numeric, debit_turnover numeric, credit_turnover numeric
) ON true;
