-- Why: a channel that began from a snapshot has the hashes of private data and no values. What this peer should have of it
-- is asked of the collections' other members, as is what it missed of a block; the blocks are not here, so the hash of what
-- a transaction wrote is not either, and each value is held against its own.
ALTER TABLE channel.missing_private_set
    ALTER COLUMN rwset_hash DROP NOT NULL,
    -- Hashes of the keys that the snapshot has of the transaction.
    ADD COLUMN keys bytea[],
    ADD CHECK ((rwset_hash IS NULL) = (keys IS NOT NULL));
