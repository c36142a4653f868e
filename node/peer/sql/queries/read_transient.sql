SELECT tx_id, content FROM channel.transient_write_set
WHERE channel_no = %s AND tx_id = ANY (%s) ORDER BY tx_id, endorsed_at, content_hash
