SELECT o_name, o_id FROM ledger.actor_numbers(%s)
