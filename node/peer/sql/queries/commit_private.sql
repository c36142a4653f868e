-- Private values of one block; runs in the same database transaction as the block itself.
WITH new_sets AS (
    INSERT INTO channel.private_write_set (channel_no, block_number, tx_number, content)
    SELECT %(channel)b, %(block)b, t.tx_number, t.content
    FROM unnest(%(set_txs)b::bigint[], %(set_contents)b::bytea[]) AS t (tx_number, content)
), new_values AS (
    INSERT INTO channel.private_state AS s
        (channel_no, namespace, collection, key, long_key, value, block_number, tx_number)
    SELECT %(channel)b, t.namespace, t.collection, t.key, nullif(t.long_key, ''::bytea), t.value, %(block)b, t.tx_number
    FROM unnest(%(put_namespaces)b::text[], %(put_collections)b::text[], %(put_keys)b::bytea[],
            %(put_long_keys)b::bytea[], %(put_values)b::bytea[], %(put_txs)b::bigint[])
        AS t (namespace, collection, key, long_key, value, tx_number)
    ON CONFLICT (channel_no, namespace, collection, key) DO UPDATE
        SET value = excluded.value, block_number = excluded.block_number, tx_number = excluded.tx_number
)
DELETE FROM channel.private_state s
USING unnest(%(del_namespaces)b::text[], %(del_collections)b::text[], %(del_keys)b::bytea[]) AS t (namespace, collection, key)
WHERE s.channel_no = %(channel)b AND s.namespace = t.namespace AND s.collection = t.collection AND s.key = t.key
