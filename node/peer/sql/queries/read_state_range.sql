-- One page of a range of a namespace, in key order, and the height it belongs to.
SELECT s.key, s.long_key, s.value, s.metadata, s.block_number, s.tx_number
FROM (
    SELECT key, long_key, value, metadata, block_number, tx_number FROM channel.state
    WHERE channel_no = %(channel)b AND namespace = %(namespace)b AND collection = %(collection)b
        AND key >= %(low)b AND key < %(high)b
    ORDER BY key
    LIMIT %(limit)b
) AS s
UNION ALL
SELECT NULL, NULL, NULL, NULL,
    (SELECT coalesce(max(block_number) + 1, 0) FROM channel.block WHERE channel_no = %(channel)b), 0
