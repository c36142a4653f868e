-- When the hashes of one private collection leave the state, told from the blocks that wrote them.
INSERT INTO channel.expiry (channel_no, expiring_block, namespace, collection, key, committed_block)
SELECT channel_no, block_number + %(blocks_to_live)b + 1, namespace, collection, key, block_number FROM channel.state
WHERE channel_no = %(channel)b AND namespace = %(namespace)b AND collection = %(collection)b
