-- A bank must be able to shut a customer out at once, and to say later who did it and why.
CREATE TABLE gateway.customer_change (
    change_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES gateway.customer,
    what        text NOT NULL CHECK (what IN ('suspended', 'reinstated', 'password_reset')),
    actor       text NOT NULL CHECK (length(actor) BETWEEN 1 AND 64),
    reason      text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    changed_at  timestamptz NOT NULL
);
CREATE INDEX customer_change_customer ON gateway.customer_change (customer_id, change_id);
