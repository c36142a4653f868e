-- Totals that members opened, with the anchor that commits to them, after a place (size, organization).
SELECT o.organization, o.size, o.opened_at, o.totals, anchor.block_number, anchor.transaction_id
FROM log.opened_totals AS o
JOIN LATERAL (
    SELECT block_number, transaction_id
    FROM log.audit_record
    WHERE kind = 'checkpoint' AND organization = o.organization AND to_seq = o.size
    ORDER BY block_number
    LIMIT 1
) AS anchor ON true
WHERE (%(organization)s::text = '' OR o.organization = %(organization)s)
    AND (%(size)s::bigint = 0 OR o.size = %(size)s)
    AND (o.size < %(below)s OR o.size = %(below)s AND o.organization > %(beyond)s::text COLLATE "C")
ORDER BY o.size DESC, o.organization
LIMIT %(limit)s
