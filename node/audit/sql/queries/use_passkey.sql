-- A key that counts must count up; one that never counts stays at nought.
UPDATE log.passkey SET sign_count = %(sign_count)s, used_at = %(now)s
WHERE credential_id = %(credential_id)s
    AND (sign_count < %(sign_count)s OR (sign_count = 0 AND %(sign_count)s = 0))
RETURNING credential_id
