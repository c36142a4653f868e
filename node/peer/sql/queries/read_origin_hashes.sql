-- What still stands of what a transaction before the snapshot wrote: hashes of keys and values.
SELECT s.key, s.value
FROM channel.missing_private_set m, unnest(m.keys) AS k (key), channel.state s
WHERE m.channel_no = %s AND m.block_number = %s AND m.tx_number = %s AND m.namespace = %s AND m.collection = %s
    AND s.channel_no = m.channel_no AND s.namespace = m.namespace AND s.collection = m.collection AND s.key = k.key
    AND s.block_number = m.block_number AND s.tx_number = m.tx_number
