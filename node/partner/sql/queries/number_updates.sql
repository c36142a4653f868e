SELECT partner.number_updates(%(partner_msp_id)s)
