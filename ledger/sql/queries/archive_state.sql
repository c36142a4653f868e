SELECT account_id, balance, last_seq, posting_count FROM ledger.account_opening ORDER BY account_id
