SELECT asset, sum(amount)
FROM partner.incoming
WHERE sender_msp_id = %(sender_msp_id)s AND prepared_at >= %(since)s AND state <> 'aborted'
    AND return_of = ''
GROUP BY asset
