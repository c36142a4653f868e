-- Where transactions stand whose ids are here as hashes only; those of the channel's origin are kept beside it.
SELECT t.block_number, t.tx_number FROM channel.transaction t
LEFT JOIN channel.origin o USING (channel_no)
WHERE t.channel_no = %s AND t.tx_id LIKE 'sha256:%%' AND t.block_number > coalesce(o.last_block, -1)
ORDER BY t.block_number, t.tx_number
