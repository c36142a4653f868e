-- The oldest entries that are not archived, as far as their partition goes.
SELECT greatest(first_seq, ledger.archived_seq() + 1), last_seq, table_name FROM ledger.partition ORDER BY first_seq LIMIT 1
