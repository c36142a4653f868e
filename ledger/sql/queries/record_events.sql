SELECT ledger.record_events(%s, %s, %s::bigint[], %s::text[], %s::bigint[], %s::text[])
