INSERT INTO channel.private_purge (channel_no, namespace, collection, key_hash, block_number, tx_number)
SELECT %(channel)b, t.namespace, t.collection, t.key_hash, %(block)b, t.tx_number
FROM unnest(%(namespaces)b::text[], %(collections)b::text[], %(hashes)b::bytea[], %(txs)b::bigint[])
    AS t (namespace, collection, key_hash, tx_number)
ON CONFLICT DO NOTHING
