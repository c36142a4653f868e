SELECT ledger.drop_monitor(%s, %s, %s, %s::smallint)
