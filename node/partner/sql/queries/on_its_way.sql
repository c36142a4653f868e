SELECT
    coalesce((
        SELECT sum(amount)
        FROM partner.incoming
        WHERE sender_msp_id = %(sender_msp_id)s AND asset = %(asset)s AND state = 'prepared'
    ), 0)
    + coalesce((
        SELECT sum(amount)
        FROM partner.obligation
        WHERE NOT outgoing AND partner_msp_id = %(sender_msp_id)s AND asset = %(asset)s AND state IN ('', 'proposed')
    ), 0)
