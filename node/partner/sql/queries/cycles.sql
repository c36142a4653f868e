SELECT cycle_id, state, finished, note
FROM partner.netting_cycle
ORDER BY changed_at, cycle_id
