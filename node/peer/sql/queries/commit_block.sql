-- One block, one statement: either all of it is committed or none. The block row appears only right above its predecessor.
WITH tip AS (
    SELECT coalesce(max(block_number) + 1, 0) AS next FROM channel.block WHERE channel_no = %(channel)b
), new_block AS (
    INSERT INTO channel.block
        (channel_no, block_number, header_hash, previous_hash, commit_hash, tx_count, is_config, content, committed_at)
    SELECT %(channel)b, tip.next, %(header_hash)b, %(previous_hash)b, %(commit_hash)b, cardinality(%(tx_ids)b::text[]),
        %(is_config)b, %(content)b, clock_timestamp()
    FROM tip WHERE tip.next = %(block)b
    RETURNING block_number
), new_transactions AS (
    INSERT INTO channel.transaction
        (channel_no, block_number, tx_number, tx_id, validation_code, header_type, claimed_seconds, claimed_nanos)
    SELECT %(channel)b, new_block.block_number, t.ordinal - 1, t.tx_id, t.code, t.header_type, t.seconds, t.nanos
    FROM new_block, unnest(%(tx_ids)b::text[], %(codes)b::bigint[], %(types)b::bigint[], %(seconds)b::bigint[], %(nanos)b::bigint[])
        WITH ORDINALITY AS t (tx_id, code, header_type, seconds, nanos, ordinal)
), new_state AS (
    INSERT INTO channel.state AS s
        (channel_no, namespace, collection, key, long_key, value, metadata, block_number, tx_number)
    SELECT %(channel)b, t.namespace, t.collection, t.key, nullif(t.long_key, ''::bytea), t.value, t.metadata,
        new_block.block_number, t.tx_number
    FROM new_block, unnest(%(put_namespaces)b::text[], %(put_collections)b::text[], %(put_keys)b::bytea[],
            %(put_long_keys)b::bytea[], %(put_values)b::bytea[], %(put_metadata)b::bytea[], %(put_txs)b::bigint[])
        AS t (namespace, collection, key, long_key, value, metadata, tx_number)
    ON CONFLICT (channel_no, namespace, collection, key) DO UPDATE
        SET value = excluded.value, metadata = excluded.metadata,
            block_number = excluded.block_number, tx_number = excluded.tx_number
), gone AS (
    DELETE FROM channel.state s
    USING new_block, unnest(%(del_namespaces)b::text[], %(del_collections)b::text[], %(del_keys)b::bytea[])
        AS t (namespace, collection, key)
    WHERE s.channel_no = %(channel)b AND s.namespace = t.namespace AND s.collection = t.collection AND s.key = t.key
), new_history AS (
    INSERT INTO channel.history (channel_no, namespace, key, block_number, tx_number, is_delete, value)
    SELECT %(channel)b, t.namespace, t.key, new_block.block_number, t.tx_number, t.is_delete, t.value
    FROM new_block, unnest(%(his_namespaces)b::text[], %(his_keys)b::bytea[], %(his_txs)b::bigint[],
            %(his_deletes)b::boolean[], %(his_values)b::bytea[])
        AS t (namespace, key, tx_number, is_delete, value)
)
SELECT count(*) FROM new_block
