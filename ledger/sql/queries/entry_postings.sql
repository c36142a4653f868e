SELECT account, side, amount, asset, balance_after FROM ledger.posting_view WHERE seq = %s ORDER BY number
