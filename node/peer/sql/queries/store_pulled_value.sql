-- A value that was handed over late, if it still is the one that the public hash stands for. Its row is locked, so that no
-- block can change the key meanwhile; the value gets the version the hash has.
WITH current AS (
    SELECT block_number, tx_number FROM channel.state
    WHERE channel_no = %(channel)b AND namespace = %(namespace)b AND collection = %(collection)b
        AND key = sha256(%(full_key)b) AND value = sha256(%(value)b)
    FOR UPDATE
)
INSERT INTO channel.private_state AS s
    (channel_no, namespace, collection, key, long_key, value, block_number, tx_number)
SELECT %(channel)b, %(namespace)b, %(collection)b, %(key)b, nullif(%(long_key)b, ''::bytea), %(value)b,
    current.block_number, current.tx_number
FROM current
ON CONFLICT (channel_no, namespace, collection, key) DO UPDATE
    SET value = excluded.value, block_number = excluded.block_number, tx_number = excluded.tx_number
