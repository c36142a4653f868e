SELECT ledger.schedule_record(%s, %s, %s, %s, %s, %s, %s::smallint, %s, %s, %s, %s, %s, %s)
