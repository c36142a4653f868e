-- Gives each name its number, for ever the same.
CREATE OR REPLACE FUNCTION ledger.actor_numbers(p_name text[]) RETURNS TABLE (o_name text, o_id integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    INSERT INTO ledger.actor (name) SELECT unnest(p_name) ON CONFLICT (name) DO NOTHING;
    RETURN QUERY SELECT actor.name, actor.id FROM ledger.actor WHERE actor.name = ANY (p_name);
END
$$;
