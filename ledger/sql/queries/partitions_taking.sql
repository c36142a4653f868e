-- Partitions that take new entries, now or soon.
SELECT table_name FROM ledger.partition WHERE last_seq >= (SELECT next_seq FROM ledger.head) ORDER BY first_seq
