INSERT INTO channel.transient_write_set (channel_no, tx_id, content_hash, content, endorsed_at)
VALUES (%s, %s, sha256(%s), %s, %s) ON CONFLICT DO NOTHING
