SELECT coalesce(max(sequence), 0) FROM partner.settlement_update WHERE partner_msp_id = %(partner_msp_id)s
