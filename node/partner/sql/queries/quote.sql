SELECT asking_msp_id, quote_id, asset, amount, fee, credited_asset, credited_amount, rate, rate_pair, rate_source,
    rate_quoted_at, quoted_at, valid_until
FROM partner.quote
WHERE asking_msp_id = %(asking_msp_id)s AND quote_id = %(quote_id)s
