-- Why: rich queries made the whole collation key of every value they compared or sorted by. A value nested some thousand
-- levels deep, which any contract that keeps what a client sends may hold, is beyond the server's stack there and failed
-- every query over its field; a long array took time that grows with the square of its length. A comparison needs no more
-- of a key than the key it is compared with, and an order of arrays and objects no more than a beginning.

-- The first bytes of channel.collation_key(value), as far as they fit and reach no deeper than `depth`: of an array or
-- object beyond that its first byte stands alone. No query holds a value so deep, so comparisons end there.
CREATE FUNCTION channel.collation_head(value jsonb, room integer, depth integer) RETURNS bytea
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
    END IF;
    result := CASE kind WHEN 'array' THEN '\x06'::bytea ELSE '\x07'::bytea END;
    IF depth <= 0 THEN
        RETURN result;
    ELSIF kind = 'array' THEN
        FOR item IN
            SELECT e FROM jsonb_array_elements(value) WITH ORDINALITY AS t (e, n) ORDER BY n LIMIT room
        LOOP
            EXIT WHEN length(result) >= room;
            result := result || channel.collation_head(item, room - length(result), depth - 1) || '\x00'::bytea;
        END LOOP;
    ELSE
        FOR name, item IN SELECT k, v FROM jsonb_each(value) AS t (k, v) ORDER BY convert_to(k, 'UTF8') LIMIT room LOOP
            EXIT WHEN length(result) >= room;
            result := result || '\x05'::bytea || convert_to(name, 'UTF8') || '\x00'::bytea;
            result := result || channel.collation_head(item, room - length(result), depth - 1) || '\x00'::bytea;
        END LOOP;
    END IF;
    RETURN substring(result FROM 1 FOR room);
END
$$;

-- What documents are sorted by: the whole key of a plain value, the first 4096 bytes and 100 levels of an array or object.
CREATE FUNCTION channel.sort_key(value jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT CASE
        WHEN jsonb_typeof(value) IN ('array', 'object') THEN channel.collation_head(value, 4096, 100)
        ELSE channel.collation_key(value)
    END
$$;
