SELECT next_block, block_hash, commit_hash FROM log.follower
