-- The last block of a snapshot: its hashes, without its content.
INSERT INTO channel.block
    (channel_no, block_number, header_hash, previous_hash, commit_hash, tx_count, is_config, content, committed_at)
VALUES (%s, %s, %s, %s, %s, 0, false, '', clock_timestamp())
