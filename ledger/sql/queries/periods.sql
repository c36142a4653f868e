SELECT period.number, nullif(period.opened_at, '-infinity'), period.closed_before, period.closed_at, period.last_seq,
    period.actor, reopening.reopened_at, coalesce(reopening.actor, ''), coalesce(reopening.reason, ''),
    report.entry_count, report.lines, report.digest
FROM ledger.period
LEFT JOIN ledger.period_reopening AS reopening ON reopening.number = period.number
LEFT JOIN ledger.period_report AS report ON report.number = period.number
ORDER BY period.number
