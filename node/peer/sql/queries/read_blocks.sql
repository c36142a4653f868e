SELECT block_number, content FROM channel.block
WHERE channel_no = %s AND block_number >= %s AND block_number < %s ORDER BY block_number
