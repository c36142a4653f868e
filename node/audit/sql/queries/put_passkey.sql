INSERT INTO log.passkey (credential_id, person, public_key, sign_count, label, added_at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (credential_id) DO NOTHING
RETURNING credential_id
