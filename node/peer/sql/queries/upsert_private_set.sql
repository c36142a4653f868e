INSERT INTO channel.private_write_set (channel_no, block_number, tx_number, content) VALUES (%s, %s, %s, %s)
ON CONFLICT (channel_no, block_number, tx_number) DO UPDATE SET content = excluded.content
