INSERT INTO ledger.archive (
    number, first_seq, last_seq, latest_at, posted_until, greatest_key, file_name, file_bytes, file_sha256, keys_sha256,
    state_sha256, signature, archived_at, actor
) VALUES (
    %(number)s, %(first_seq)s, %(last_seq)s, 'epoch'::timestamptz + %(latest_us)s * interval '1 microsecond',
    'epoch'::timestamptz + %(posted_us)s * interval '1 microsecond', %(greatest_key)s, %(file_name)s, %(file_bytes)s,
    %(file_sha256)s, %(keys_sha256)s, %(state_sha256)s, %(signature)s, %(archived_at)s, %(actor)s
)
