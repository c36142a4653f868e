-- Private write sets of blocks that are given up wait again to be committed.
INSERT INTO channel.transient_write_set (channel_no, tx_id, content_hash, content, endorsed_at)
SELECT p.channel_no, t.tx_id, sha256(p.content), p.content, p.block_number
FROM channel.private_write_set p
JOIN channel.transaction t USING (channel_no, block_number, tx_number)
WHERE p.channel_no = %s AND p.block_number >= %s
ON CONFLICT DO NOTHING
