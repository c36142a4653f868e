-- Who sends the same request to open an account twice, because no answer came, must not get two.
ALTER TABLE gateway.customer_account ADD COLUMN idempotency_key uuid;
CREATE UNIQUE INDEX customer_account_key ON gateway.customer_account (customer_id, idempotency_key);
