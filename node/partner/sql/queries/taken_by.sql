SELECT
    EXISTS (
        SELECT FROM partner.incoming
        WHERE sender_msp_id = %(sender_msp_id)s AND quote_id = %(quote_id)s AND quote_id <> ''
    ),
    EXISTS (
        SELECT FROM partner.incoming
        WHERE sender_msp_id = %(sender_msp_id)s AND return_of = %(return_of)s AND return_of <> '' AND state <> 'aborted'
    )
