SELECT seq, number, kind, account, at, payload
FROM ledger.outbox_page(%s, %s, %s, %s::text[], %s)
