-- What expires with this block, unless it was written again since: the hashes, and the values where this peer has them.
-- A key this block writes has the block's own number by now and so stays. Given back are the write sets whose time is over,
-- whether or not their keys were written again.
WITH due AS (
    DELETE FROM channel.expiry WHERE channel_no = %(channel)b AND expiring_block = %(block)b
    RETURNING namespace, collection, key, committed_block
), gone AS (
    DELETE FROM channel.state s USING due
    WHERE s.channel_no = %(channel)b AND s.namespace = due.namespace AND s.collection = due.collection
        AND s.key = due.key AND s.block_number = due.committed_block
    RETURNING s.namespace, s.collection, s.key
), gone_values AS (
    DELETE FROM channel.private_state s USING gone
    WHERE s.channel_no = %(channel)b AND s.namespace = gone.namespace AND s.collection = gone.collection
        AND sha256(coalesce(s.long_key, s.key)) = gone.key
), no_longer_missing AS (
    DELETE FROM channel.missing_private_set m USING due
    WHERE m.channel_no = %(channel)b AND m.block_number = due.committed_block
        AND m.namespace = due.namespace AND m.collection = due.collection
)
SELECT DISTINCT namespace, collection, committed_block FROM due
