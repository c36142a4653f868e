DELETE FROM log.passkey WHERE credential_id = %s RETURNING credential_id
