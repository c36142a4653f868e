SELECT last_block, config, config_block, config_tx FROM channel.origin WHERE channel_no = %s
