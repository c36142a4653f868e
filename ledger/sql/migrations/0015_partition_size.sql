-- Why: how large a partition is belongs to the books, not to whichever program makes the next one.
CREATE TABLE ledger.partition_size (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    entries bigint NOT NULL DEFAULT 8388608 CHECK (entries > 0)
);
COMMENT ON COLUMN ledger.partition_size.entries IS 'numbers in each partition that is made from now on';
INSERT INTO ledger.partition_size DEFAULT VALUES;

-- Their successors ask it.
DROP FUNCTION IF EXISTS ledger.make_partitions(bigint, bigint);
DROP FUNCTION IF EXISTS ledger.add_partition(bigint, bigint, bigint);
DROP FUNCTION IF EXISTS ledger.refuse_old_keys(bigint, bigint);
