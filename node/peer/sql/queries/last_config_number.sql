SELECT block_number, content FROM channel.block
WHERE channel_no = %s AND is_config ORDER BY block_number DESC LIMIT 1
