UPDATE partner.obligation SET
    obligation_id = %(obligation_id)s, salt = %(salt)s, value_date = %(value_date)s, state = %(state)s,
    books = %(books)s, note = %(note)s, attempts = %(attempts)s, next_attempt_at = %(next_attempt_at)s,
    changed_at = %(now)s
WHERE outgoing = %(outgoing)s AND partner_msp_id = %(partner_msp_id)s AND settlement_id = %(settlement_id)s
