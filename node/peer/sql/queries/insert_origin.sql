INSERT INTO channel.origin (channel_no, last_block, config, config_block, config_tx) VALUES (%s, %s, %s, %s, %s)
