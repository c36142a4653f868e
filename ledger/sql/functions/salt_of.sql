-- The salt of an entry's leaf: its own, or what follows from the secret of its batch (ledger.canonical.derive_salts).
-- Parsed where it is made and so short that it becomes part of what asks: a batch is looked up only for a salt that follows.
CREATE OR REPLACE FUNCTION ledger.salt_of(p_salt bytea, p_seq bigint, p_secret bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
-- 'dwaybank.node/salt' and a version byte.
RETURN coalesce(p_salt, sha256('\x6477617962616e6b2e6e6f64652f73616c7401'::bytea || p_secret || int8send(p_seq)));
