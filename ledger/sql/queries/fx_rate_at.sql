SELECT base.code, base.scale, quote.code, quote.scale, fx_rate.rate, fx_rate.source, fx_rate.quoted_at
FROM ledger.fx_rate
JOIN ledger.asset AS base ON base.id = fx_rate.base_id
JOIN ledger.asset AS quote ON quote.id = fx_rate.quote_id
WHERE base.code = %s AND quote.code = %s AND fx_rate.source = %s AND fx_rate.quoted_at <= %s
    AND fx_rate.received_at <= coalesce(%s::timestamptz, 'infinity')
ORDER BY fx_rate.quoted_at DESC, fx_rate.received_at DESC, fx_rate.id DESC
LIMIT 1
