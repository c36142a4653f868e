-- A customer's order must be written down before the node hears of it, so that a repeated request finds the same
-- transfer (and the books the same idempotency key) whatever crashed in between.

CREATE TABLE gateway.transfer (
    transfer_id      uuid PRIMARY KEY,
    customer_id      uuid NOT NULL REFERENCES gateway.customer,
    idempotency_key  uuid NOT NULL,
    request_digest   bytea NOT NULL CHECK (length(request_digest) = 32),
    debtor_account   text NOT NULL REFERENCES gateway.customer_account,
    creditor_account text NOT NULL,
    partner_msp_id   text,
    asset            text NOT NULL,
    amount_minor     numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
    description      text NOT NULL CHECK (length(description) <= 140),
    created_at       timestamptz NOT NULL,
    state            text NOT NULL DEFAULT 'received',
    seq              bigint CHECK (seq > 0),
    decision         text,
    refusal_code     text,
    refusal_message  text,
    UNIQUE (customer_id, idempotency_key),
    CHECK ((refusal_code IS NULL) = (refusal_message IS NULL))
);
CREATE INDEX transfer_customer ON gateway.transfer (customer_id, created_at DESC);
