SELECT t.ordinal, s.value, s.block_number, s.tx_number
FROM unnest(%(namespaces)b::text[], %(collections)b::text[], %(keys)b::bytea[])
    WITH ORDINALITY AS t (namespace, collection, key, ordinal)
CROSS JOIN LATERAL (
    SELECT value, block_number, tx_number FROM channel.private_state
    WHERE channel_no = %(channel)b AND namespace = t.namespace AND collection = t.collection AND key = t.key
    LIMIT 1
) AS s
UNION ALL
SELECT 0, NULL, (SELECT coalesce(max(block_number) + 1, 0) FROM channel.block WHERE channel_no = %(channel)b), 0
