-- Newest first, a page at a time: the page before ended at (block, tx, key). An empty filter lets everything through.
SELECT block_number, tx_number, namespace, record_key, kind, organization, transaction_id, recorded_at, from_seq, to_seq,
    signer, body
FROM log.audit_record
WHERE (block_number, tx_number, record_key) < (%(block)s, %(tx)s, %(key)s::text COLLATE "C")
    AND (%(kind)s::text = '' OR kind = %(kind)s)
    AND (%(organization)s::text = '' OR organization = %(organization)s)
    AND (%(transaction_id)s::text = '' OR transaction_id = %(transaction_id)s)
    AND (cardinality(%(keys)s::text[]) = 0 OR record_key = ANY (%(keys)s))
    AND (%(recorded_from)s::timestamptz IS NULL OR recorded_at >= %(recorded_from)s)
    AND (%(recorded_to)s::timestamptz IS NULL OR recorded_at < %(recorded_to)s)
    AND (
        %(entry_seq)s::bigint = 0 OR %(entry_seq)s BETWEEN from_seq AND to_seq
        AND (kind <> 'demand' OR body::jsonb -> 'seqs' @> to_jsonb(%(entry_seq)s::bigint))
    )
ORDER BY block_number DESC, tx_number DESC, record_key DESC
LIMIT %(limit)s
