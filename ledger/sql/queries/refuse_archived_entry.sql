SELECT ledger.refuse_archived('entry ' || archived.seq, archived.seq)
FROM (
    SELECT %(seq)s::bigint AS seq WHERE %(seq)s BETWEEN 1 AND ledger.archived_seq()
    UNION ALL
    SELECT seq FROM ledger.past_key WHERE key = %(key)s::uuid
) AS archived
