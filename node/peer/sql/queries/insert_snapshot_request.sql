INSERT INTO channel.snapshot_request (channel_no, block_number) VALUES (%s, %s) ON CONFLICT DO NOTHING
