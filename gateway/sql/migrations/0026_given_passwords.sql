-- A password that the bank's staff gave is known to two: until the customer has set one of his own it opens nothing else.
ALTER TABLE gateway.customer ADD COLUMN must_change_password boolean NOT NULL DEFAULT false;
