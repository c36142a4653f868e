SELECT number, first_seq, last_seq, (extract(epoch FROM latest_at) * 1000000)::bigint,
    (extract(epoch FROM posted_until) * 1000000)::bigint, greatest_key, file_name, file_bytes, file_sha256, keys_sha256,
    state_sha256, signature, archived_at, actor, restored_at
FROM ledger.archive
ORDER BY number
