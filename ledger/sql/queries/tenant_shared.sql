SELECT reference FROM ledger.account WHERE shared AND reference > %s ORDER BY reference LIMIT %s
