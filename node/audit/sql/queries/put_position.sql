INSERT INTO log.follower (next_block, block_hash, commit_hash) VALUES (%s, %s, %s)
ON CONFLICT (sole) DO UPDATE
SET next_block = excluded.next_block, block_hash = excluded.block_hash, commit_hash = excluded.commit_hash
