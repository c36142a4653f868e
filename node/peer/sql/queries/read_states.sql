-- The rows of many keys, and the height they belong to, in one statement and so in one snapshot.
SELECT t.ordinal, s.value, s.metadata, s.block_number, s.tx_number
FROM unnest(%(namespaces)b::text[], %(collections)b::text[], %(keys)b::bytea[])
    WITH ORDINALITY AS t (namespace, collection, key, ordinal)
CROSS JOIN LATERAL (
    SELECT value, metadata, block_number, tx_number FROM channel.state
    WHERE channel_no = %(channel)b AND namespace = t.namespace AND collection = t.collection AND key = t.key
    LIMIT 1
) AS s
UNION ALL
SELECT 0, NULL, NULL, (SELECT coalesce(max(block_number) + 1, 0) FROM channel.block WHERE channel_no = %(channel)b), 0
