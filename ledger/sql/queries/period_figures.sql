SELECT period.number, figures.entry_count, figures.lines
FROM ledger.period
CROSS JOIN LATERAL ledger.period_figures(period.number) AS figures
ORDER BY period.number
