SELECT count(*) FROM partner.incoming WHERE sender_msp_id = %(sender_msp_id)s AND state = 'prepared'
