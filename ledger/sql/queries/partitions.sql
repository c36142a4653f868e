SELECT first_seq, last_seq, table_name FROM ledger.partition ORDER BY first_seq
