-- Why: rich queries over JSON values, answered from the world state as it is stored: nothing is written twice, and a channel
-- without such queries pays nothing. Indexes are those a chaincode package declares, over the functions below.

-- A value as JSON, NULL where it is no JSON object or holds what jsonb cannot (NUL in a text, a number beyond numeric).
CREATE FUNCTION channel.document(value bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
    found jsonb;
BEGIN
    -- Most other values are told apart by their first byte, without the cost of a cast that fails: space or brace.
    IF length(value) = 0 OR get_byte(value, 0) NOT IN (9, 10, 13, 32, 123) THEN
        RETURN NULL;
    END IF;
    BEGIN
        found := convert_from(value, 'UTF8')::jsonb;
    EXCEPTION
        WHEN data_exception OR program_limit_exceeded THEN
            RETURN NULL;
    END;
    RETURN CASE WHEN jsonb_typeof(found) = 'object' THEN found END;
END
$$;

-- Bytes that compare as JSON values do: null < false < true < numbers < strings < arrays < objects. The peer makes the
-- same key of the values in a query (node/peer/json_values.py), so a change here needs new indexes.
CREATE FUNCTION channel.collation_key(value jsonb) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
DECLARE
    kind constant text := jsonb_typeof(value);
    number numeric;
    plain text;
    exponent integer;
    result bytea;
    item jsonb;
    name text;
BEGIN
    IF kind = 'string' THEN
        RETURN '\x05'::bytea || convert_to(value #>> '{}', 'UTF8');
    ELSIF kind = 'number' THEN
        number := (value #>> '{}')::numeric;
        IF number = 0 THEN
            RETURN '\x0431'::bytea;
        END IF;
        -- Sign, exponent, digits. Of a negative number everything is turned round, and it ends above every digit.
        plain := trim_scale(abs(number))::text;
        IF plain LIKE '0.%' THEN
            exponent := length(ltrim(substr(plain, 3), '0')) - length(substr(plain, 3));
        ELSE
            exponent := length(split_part(plain, '.', 1));
        END IF;
        plain := rtrim(ltrim(replace(plain, '.', ''), '0'), '0');
        IF number > 0 THEN
            plain := '2' || lpad((200000 + exponent)::text, 6, '0') || plain;
        ELSE
            plain := '0' || lpad((200000 - exponent)::text, 6, '0') || translate(plain, '0123456789', '9876543210') || '~';
        END IF;
        RETURN '\x04'::bytea || convert_to(plain, 'UTF8');
    ELSIF kind = 'null' THEN
        RETURN '\x01'::bytea;
    ELSIF kind = 'boolean' THEN
        RETURN CASE WHEN value = 'true'::jsonb THEN '\x03'::bytea ELSE '\x02'::bytea END;
    ELSIF kind = 'array' THEN
        result := '\x06'::bytea;
        FOR item IN SELECT e FROM jsonb_array_elements(value) WITH ORDINALITY AS t (e, n) ORDER BY n LOOP
            result := result || channel.collation_key(item) || '\x00'::bytea;
        END LOOP;
        RETURN result;
    END IF;
    result := '\x07'::bytea;
    FOR name, item IN SELECT k, v FROM jsonb_each(value) AS t (k, v) ORDER BY convert_to(k, 'UTF8') LOOP
        result := result || '\x05'::bytea || convert_to(name, 'UTF8') || '\x00'::bytea
            || channel.collation_key(item) || '\x00'::bytea;
    END LOOP;
    RETURN result;
END
$$;

-- What an index holds of a field: the first bytes of its key, because an index entry has a limit and a value has none.
CREATE FUNCTION channel.index_key(value bytea, path text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog
AS $$
    SELECT substring(channel.collation_key(channel.document(value) #> path) FROM 1 FOR 200)
$$;

-- The indexes that are there: each serves one namespace, and one collection of it or its public state ('').
CREATE TABLE channel.document_index (
    channel_no smallint NOT NULL REFERENCES channel.channel,
    namespace text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    -- Paths to the fields, as a list of lists of names.
    fields jsonb NOT NULL,
    index_name text COLLATE "C" NOT NULL UNIQUE,
    PRIMARY KEY (channel_no, namespace, collection, fields)
);

-- Makes an index with the rights of the schema's owner, because the node's own role may change no table. Everything that
-- is put into the statement is a literal or an identifier of this function's own making.
CREATE FUNCTION channel.declare_document_index(
    channel_number smallint, of_namespace text, of_collection text, of_fields jsonb
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = channel, pg_temp
AS $$
DECLARE
    name constant text := 'document_' || md5(jsonb_build_array(channel_number, of_namespace, of_collection, of_fields)::text);
    keys text;
BEGIN
    IF jsonb_array_length(of_fields) NOT BETWEEN 1 AND 8 THEN
        RAISE EXCEPTION 'an index has between 1 and 8 fields, not %', jsonb_array_length(of_fields);
    END IF;
    INSERT INTO channel.document_index (channel_no, namespace, collection, fields, index_name)
    VALUES (channel_number, of_namespace, of_collection, of_fields, name)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT string_agg(format('channel.index_key(value, %L::text[])', ARRAY(SELECT jsonb_array_elements_text(field))), ', ' ORDER BY place)
    INTO keys
    FROM jsonb_array_elements(of_fields) WITH ORDINALITY AS t (field, place);
    EXECUTE format(
        'CREATE INDEX %I ON channel.%I (%s) WHERE channel_no = %L::smallint AND namespace = %L AND collection = %L',
        name, CASE WHEN of_collection = '' THEN 'state' ELSE 'private_state' END, keys, channel_number, of_namespace, of_collection
    );
    RETURN true;
END
$$;

REVOKE ALL ON FUNCTION channel.declare_document_index(smallint, text, text, jsonb) FROM PUBLIC;
