-- A password that the bank gave goes by word or on paper: one that nobody used for days must not open the account of who
-- finds it.
ALTER TABLE gateway.customer ADD COLUMN given_until timestamptz;
