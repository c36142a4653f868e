SELECT content FROM channel.block
WHERE channel_no = %s AND is_config AND block_number <= %s ORDER BY block_number DESC LIMIT 1
