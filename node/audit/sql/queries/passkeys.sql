SELECT credential_id, person, public_key, sign_count, label, added_at, used_at
FROM log.passkey WHERE %(person)s IN ('', person) ORDER BY person, added_at
