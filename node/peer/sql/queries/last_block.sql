SELECT block_number, header_hash, commit_hash FROM channel.block
WHERE channel_no = %s ORDER BY block_number DESC LIMIT 1
