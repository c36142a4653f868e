-- Of periods that archived entries may count for, only the reports are left.
SELECT period.number, figures.entry_count, figures.lines
FROM ledger.period
CROSS JOIN LATERAL ledger.period_figures(period.number) AS figures
WHERE (period.opened_at <= (SELECT latest_at FROM ledger.archive_border())) IS NOT TRUE
ORDER BY period.number
