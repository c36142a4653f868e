-- What judging one block asks of the state, in one round trip: the rows of keys by their place in the list, and which
-- transaction ids are known, by their place below zero.
SELECT t.ordinal, s.value, s.metadata, s.block_number, s.tx_number
FROM unnest(%(namespaces)b::text[], %(collections)b::text[], %(keys)b::bytea[])
    WITH ORDINALITY AS t (namespace, collection, key, ordinal)
CROSS JOIN LATERAL (
    SELECT value, metadata, block_number, tx_number FROM channel.state
    WHERE channel_no = %(channel)b AND namespace = t.namespace AND collection = t.collection AND key = t.key
    LIMIT 1
) AS s
UNION ALL
SELECT -t.ordinal, NULL, NULL, s.block_number, 0
FROM unnest(%(tx_ids)b::text[]) WITH ORDINALITY AS t (tx_id, ordinal)
CROSS JOIN LATERAL (
    SELECT block_number FROM channel.transaction
    WHERE channel_no = %(channel)b AND tx_id = t.tx_id
    LIMIT 1
) AS s
