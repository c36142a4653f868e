-- What may come to stand in the way of archiving entries first .. last, once archive_obstacles found nothing: asked before
-- that and again while the journal is locked, it must be the same. Quick, because everybody waits.
SELECT head.closed_before,
    (SELECT count(*) FROM ledger.webhook WHERE state = 1 AND seq < %(last)s),
    (SELECT max(id) FROM ledger.external_statement),
    (SELECT count(*) FROM ledger.reconciliation_match WHERE dissolved_at IS NOT NULL),
    (SELECT array_agg(DISTINCT reverses ORDER BY reverses) FROM ledger.entry WHERE reverses BETWEEN %(first)s AND %(last)s)
FROM ledger.head
