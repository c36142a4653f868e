-- Puts back what tamper.sql saved in the same connection.
DELETE FROM ledger.entry WHERE seq IN (%(changed)s, %(inserted)s);
INSERT INTO ledger.entry SELECT * FROM untouched;
DROP TABLE untouched;
RESET session_replication_role;
