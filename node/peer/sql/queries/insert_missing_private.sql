INSERT INTO channel.missing_private_set (channel_no, block_number, tx_number, namespace, collection, rwset_hash)
SELECT %(channel)b, %(block)b, t.tx_number, t.namespace, t.collection, t.rwset_hash
FROM unnest(%(txs)b::bigint[], %(namespaces)b::text[], %(collections)b::text[], %(hashes)b::bytea[])
    AS t (tx_number, namespace, collection, rwset_hash)
