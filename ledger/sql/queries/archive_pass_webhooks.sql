-- Moves endpoints that wait for nothing up to an entry on to it, for what stands before it will be archived.
UPDATE ledger.webhook SET seq = %(last)s, number = 0
WHERE seq < %(last)s AND NOT ledger.webhook_waits(webhook, %(last)s)
