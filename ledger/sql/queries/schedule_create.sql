SELECT ledger.schedule_create(%s, %s::jsonb, %s, %s, %s, %s, %s, %s::smallint)
