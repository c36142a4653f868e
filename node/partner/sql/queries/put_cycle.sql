INSERT INTO partner.netting_cycle (cycle_id, state, finished, note, changed_at)
VALUES (%(cycle_id)s, %(state)s, %(finished)s, %(note)s, %(now)s)
ON CONFLICT (cycle_id) DO UPDATE SET
    state = excluded.state, finished = excluded.finished, note = excluded.note, changed_at = excluded.changed_at
