-- Private values of one block; runs in the same database transaction as the block itself.
WITH new_sets AS (
    INSERT INTO channel.private_write_set (channel_no, block_number, tx_number, content)
    SELECT %(channel)b, %(block)b, t.tx_number, t.content
    FROM unnest(%(set_txs)b::bigint[], %(set_contents)b::bytea[]) AS t (tx_number, content)
), new_expiries AS (
    INSERT INTO channel.expiry (channel_no, expiring_block, namespace, collection, key, committed_block)
    SELECT %(channel)b, t.expiring_block, t.namespace, t.collection, t.key, %(block)b
    FROM unnest(%(exp_blocks)b::bigint[], %(exp_namespaces)b::text[], %(exp_collections)b::text[], %(exp_keys)b::bytea[])
        AS t (expiring_block, namespace, collection, key)
    ON CONFLICT DO NOTHING
), renewed AS (
    UPDATE channel.private_state s SET block_number = %(block)b, tx_number = t.tx_number
    FROM unnest(%(new_namespaces)b::text[], %(new_collections)b::text[], %(new_keys)b::bytea[], %(new_txs)b::bigint[])
        AS t (namespace, collection, key, tx_number)
    WHERE s.channel_no = %(channel)b AND s.namespace = t.namespace AND s.collection = t.collection AND s.key = t.key
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
USING unnest(%(del_namespaces)b::text[], %(del_collections)b::text[], %(del_hashes)b::bytea[])
    AS t (namespace, collection, key_hash)
WHERE s.channel_no = %(channel)b AND s.namespace = t.namespace AND s.collection = t.collection
    AND sha256(coalesce(s.long_key, s.key)) = t.key_hash
