UPDATE partner.incoming SET
    state = %(state)s, completing = %(completing)s, seq = %(seq)s, refusal = %(refusal)s, changed_at = %(now)s
WHERE sender_msp_id = %(sender_msp_id)s AND settlement_id = %(settlement_id)s AND state = 'prepared'
    AND completing = %(old_completing)s
