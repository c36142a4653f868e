-- Descriptions and metadata of entries first .. last, and what the entries commit to.
SELECT text.seq, text.kind, text.salt, text.description, text.pairs,
    CASE text.kind WHEN 1 THEN entry.description_commitment ELSE entry.metadata_commitment END
FROM (
    SELECT seq, 1 AS kind, salt, description, NULL::jsonb AS pairs FROM ledger.description
    WHERE seq BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT seq, 2, salt, NULL, pairs FROM ledger.metadata WHERE seq BETWEEN %(first)s AND %(last)s
) AS text
LEFT JOIN ledger.entry ON entry.seq = text.seq
ORDER BY text.seq, text.kind
