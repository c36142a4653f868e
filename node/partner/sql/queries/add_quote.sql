INSERT INTO partner.quote (
    asking_msp_id, quote_id, asset, amount, fee, credited_asset, credited_amount, rate, rate_pair, rate_source,
    rate_quoted_at, quoted_at, valid_until
) VALUES (
    %(asking_msp_id)s, %(quote_id)s, %(asset)s, %(amount)s, %(fee)s, %(credited_asset)s, %(credited_amount)s, %(rate)s,
    %(rate_pair)s, %(rate_source)s, %(rate_quoted_at)s, %(quoted_at)s, %(valid_until)s
)
ON CONFLICT DO NOTHING
