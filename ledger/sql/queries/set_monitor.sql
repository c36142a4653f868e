SELECT ledger.set_monitor(%s, %s, %s, %s::smallint, %s::smallint, %s, %s, %s, %s::smallint)
