SELECT id, name FROM ledger.actor
WHERE id IN (SELECT actor_id FROM ledger.entry WHERE seq BETWEEN %(first)s AND %(last)s)
ORDER BY id
