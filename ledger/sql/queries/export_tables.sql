-- The tables of the books: columns that are stored as given, the primary key as it sorts rows (alike whatever the
-- collation of the database), tables they refer to, and columns that number themselves. "arrival" is empty outside a
-- commit; "migration", "partition", "partition_size" and "entry_form" belong to the database and not to the books.
SELECT class.relname,
    ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
        ORDER BY attname
    ),
    ARRAY(
        SELECT format('%I', attribute.attname) || CASE WHEN attribute.attcollation <> 0 THEN ' COLLATE "C"' ELSE '' END
        FROM pg_index AS index
        CROSS JOIN LATERAL unnest(index.indkey) WITH ORDINALITY AS part (number, place)
        JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid AND attribute.attnum = part.number
        WHERE index.indrelid = class.oid AND index.indisprimary
        ORDER BY part.place
    ),
    ARRAY(
        SELECT DISTINCT other.relname::text
        FROM pg_constraint
        JOIN pg_class AS other ON other.oid = confrelid
        WHERE conrelid = class.oid AND contype = 'f' AND confrelid <> conrelid
        ORDER BY 1
    ),
    ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped AND attidentity <> ''
    )
FROM pg_class AS class
WHERE class.relnamespace = 'ledger'::regnamespace AND class.relkind IN ('r', 'p') AND NOT class.relispartition
    AND class.relname NOT IN ('arrival', 'migration', 'entry_form', 'partition', 'partition_size')
ORDER BY class.relname
