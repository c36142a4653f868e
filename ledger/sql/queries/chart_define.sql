SELECT code, detail FROM ledger.chart_define(%s, %s::jsonb, %s, %s::bigint, %s, %s)
