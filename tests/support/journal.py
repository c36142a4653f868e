"""The journal as a superuser may leave it: without rules, and with room for any number, or for none."""

from __future__ import annotations

ROOM_FOR_ANY = "CREATE TABLE IF NOT EXISTS ledger.entry_elsewhere PARTITION OF ledger.entry DEFAULT"
"""A row may get any number: what no partition takes stands here."""

NO_CHECKS = f"""
DO $$
DECLARE
    v_name name;
    v_table regclass;
BEGIN
    FOR v_table, v_name IN
        SELECT conrelid, conname FROM pg_constraint
        WHERE contype = 'c' AND conrelid IN (SELECT ('ledger.' || table_name)::regclass FROM ledger.partition)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_table, v_name);
    END LOOP;
    {ROOM_FOR_ANY};
END
$$
"""

NO_RULES = f"""
DO $$
DECLARE
    v_name name;
    v_table regclass;
BEGIN
    {ROOM_FOR_ANY};
    ALTER TABLE ledger.entry DROP CONSTRAINT entry_pkey CASCADE;
    -- The journal first: what it says holds for its partitions, too.
    FOR v_table IN SELECT 'ledger.entry'::regclass
        UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ledger.entry'::regclass LOOP
        FOR v_name IN SELECT conname FROM pg_constraint WHERE conrelid = v_table AND contype IN ('c', 'u') LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', v_table, v_name);
        END LOOP;
        FOR v_name IN SELECT attname FROM pg_attribute WHERE attrelid = v_table AND attnum > 0 AND attnotnull LOOP
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', v_table, v_name);
        END LOOP;
    END LOOP;
    DROP INDEX ledger.entry_by_settlement;
END
$$
"""
