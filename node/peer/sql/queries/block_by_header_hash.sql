SELECT content FROM channel.block WHERE channel_no = %s AND header_hash = %s LIMIT 1
