-- Accounts that entries first .. last touch.
CREATE TEMPORARY TABLE archive_touched ON COMMIT DROP AS
SELECT DISTINCT account_id FROM ledger.signed_posting WHERE seq BETWEEN %(first)s AND %(last)s
