-- Why: an index holds the first 200 bytes of a field's collation key, but the whole key was made for it while the block that
-- writes the value was committed: in time that grows with the square of an array's length, and for a value nested some
-- thousand levels deep beyond the server's stack, so that the block could never be committed. Now no more is made than is
-- kept. The bytes are the same as before, so indexes that are there stay right.

-- The first bytes of channel.collation_key(value). Every level has a byte of its own, so `room` bounds the depth too.
CREATE FUNCTION channel.collation_head(value jsonb, room integer) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
    kind constant text := jsonb_typeof(value);
    result bytea;
    item jsonb;
    name text;
BEGIN
    IF room <= 0 THEN
        RETURN ''::bytea;
    ELSIF kind NOT IN ('array', 'object') THEN
        RETURN substring(channel.collation_key(value) FROM 1 FOR room);
    ELSIF kind = 'array' THEN
        result := '\x06'::bytea;
        FOR item IN
            SELECT e FROM jsonb_array_elements(value) WITH ORDINALITY AS t (e, n) ORDER BY n LIMIT room
        LOOP
            EXIT WHEN length(result) >= room;
            result := result || channel.collation_head(item, room - length(result)) || '\x00'::bytea;
        END LOOP;
    ELSE
        result := '\x07'::bytea;
        FOR name, item IN SELECT k, v FROM jsonb_each(value) AS t (k, v) ORDER BY convert_to(k, 'UTF8') LIMIT room LOOP
            EXIT WHEN length(result) >= room;
            result := result || '\x05'::bytea || convert_to(name, 'UTF8') || '\x00'::bytea;
            result := result || channel.collation_head(item, room - length(result)) || '\x00'::bytea;
        END LOOP;
    END IF;
    RETURN substring(result FROM 1 FOR room);
END
$$;

CREATE OR REPLACE FUNCTION channel.index_key(value bytea, path text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT channel.collation_head(channel.document(value) #> path, 200)
$$;
