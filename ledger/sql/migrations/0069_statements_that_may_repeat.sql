-- Why: a statement that lists what another one lists is taken only where somebody says that the bank booked it twice. That he
-- said so is kept with it.
ALTER TABLE ledger.external_statement ADD COLUMN may_repeat boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN ledger.external_statement.may_repeat IS
    'whoever imported it said that it may list movements which another statement lists too';

-- Its columns are others now; it is made anew with all functions.
DROP FUNCTION IF EXISTS ledger.reconcile_given_statements(jsonb);
