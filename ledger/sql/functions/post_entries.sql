-- Posts a batch of entries exactly as if one after the other, and gives each its own code.
--
-- One item is one entry; its postings are elements p_first[item] .. p_last[item] of the posting arrays; p_slot numbers
-- the accounts of the batch. Steps: lock the head; look the keys up; load the accounts; decide in a loop over arrays in
-- memory; insert, update and move the head set by set. Codes are those of ledger.journal.ResultCode.
-- p_code carries what the caller found without the state of the books (account not found, unbalanced); a repeated key
-- still goes first. p_earlier names the item before this one with the same key, 0 for none.
-- Planner settings: arrays have no statistics, and every table here must be entered by its index.
CREATE OR REPLACE FUNCTION ledger.post_entries(
    p_epoch bigint,
    p_posted_at timestamptz,
    p_key uuid[],
    p_request_hash bytea[],
    p_effective_at timestamptz[],
    p_settlement_id text[],
    p_commitment bytea[],
    p_salt bytea[],
    p_decision_id uuid[],
    p_decision_outcome smallint[],
    p_decision_leaf bytea[],
    p_body bytea[],
    p_code smallint[],
    p_earlier integer[],
    p_hold uuid[],
    p_account bigint[],
    p_first integer[],
    p_last integer[],
    p_slot integer[],
    p_posting_account bigint[],
    p_amount bigint[],
    OUT o_code smallint[],
    OUT o_seq bigint[],
    OUT o_outcome smallint[],
    OUT o_leaves bytea
)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    c_prefix CONSTANT bytea := '\x00136477617962616e6b2e6e6f64652f656e7472790001010008';
    c_max CONSTANT bigint := 4611686018427387903;
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_next bigint;
    v_balance bigint[];
    v_limit bigint[];
    v_floor bigint[];
    v_held bigint[];
    v_sign bigint[];
    v_status smallint[];
    v_last_seq bigint[];
    v_count bigint[];
    v_asset smallint[];
    v_posting_asset smallint[] := array_fill(0::smallint, ARRAY[cardinality(p_slot)]);
    v_posting_balance bigint[] := p_amount;
    v_posting_previous bigint[] := p_amount;
    v_known record;
    v_hold ledger.hold;
    v_hold_slot integer;
    v_code smallint;
    v_slot integer;
    v_new bigint;
    v_item integer;
    v_twin integer;
    v_failed integer;
BEGIN
    v_next := v_head.next_seq;
    o_code := p_code;
    o_seq := array_fill(NULL::bigint, ARRAY[cardinality(p_key)]);
    o_outcome := p_decision_outcome;

    -- Keys posted before: permanent, whatever became of the accounts since.
    FOR v_known IN
        SELECT item.number, entry.seq, entry.request_hash = item.request_hash AS same, entry.decision_outcome
        FROM unnest(p_key, p_request_hash) WITH ORDINALITY AS item (key, request_hash, number)
        JOIN ledger.entry ON entry.key = item.key
    LOOP
        o_code[v_known.number] := CASE WHEN v_known.same THEN 1 ELSE 2 END;
        o_seq[v_known.number] := v_known.seq;
        o_outcome[v_known.number] := v_known.decision_outcome;
    END LOOP;

    SELECT array_agg(balance), array_agg(floor), array_agg(held), array_agg(status), array_agg(sign),
        array_agg(last_seq), array_agg(asset_id), array_agg(0::bigint), array_agg(least_balance)
    INTO v_balance, v_floor, v_held, v_status, v_sign, v_last_seq, v_asset, v_count, v_limit
    FROM (
        SELECT account.*,
            CASE account.normal_side WHEN 1 THEN 1::bigint ELSE -1::bigint END AS sign,
            -- The least balance at which nothing is wrong; none is enough on a frozen or closed account.
            CASE
                WHEN account.status <> 1 THEN 9223372036854775807
                ELSE greatest(account.floor + account.held, -c_max)
            END AS least_balance
        FROM unnest(p_account) WITH ORDINALITY AS slot (id, number)
        JOIN ledger.account ON account.id = slot.id
        ORDER BY slot.number
    ) AS known;

    FOR v_item IN 1 .. cardinality(p_key) LOOP
        v_twin := p_earlier[v_item];
        IF v_twin <> 0 AND o_code[v_item] NOT IN (1, 2) THEN
            WHILE v_twin <> 0 AND o_code[v_twin] <> 0 LOOP
                v_twin := p_earlier[v_twin];
            END LOOP;
            IF v_twin <> 0 THEN
                o_code[v_item] := CASE WHEN p_request_hash[v_twin] = p_request_hash[v_item] THEN 1 ELSE 2 END;
                o_seq[v_item] := o_seq[v_twin];
                o_outcome[v_item] := o_outcome[v_twin];
            END IF;
        END IF;
        CONTINUE WHEN o_code[v_item] <> 0;

        v_hold_slot := 0;
        IF p_hold IS NOT NULL AND p_hold[v_item] IS NOT NULL THEN
            SELECT code, slot INTO v_code, v_hold_slot
            FROM ledger.judge_capture(
                p_hold[v_item], p_posted_at, p_account, p_slot[p_first[v_item]:p_last[v_item]],
                p_amount[p_first[v_item]:p_last[v_item]], v_sign
            );
            IF v_code <> 0 THEN
                o_code[v_item] := v_code;
                CONTINUE;
            END IF;
            SELECT * INTO STRICT v_hold FROM ledger.hold WHERE id = p_hold[v_item];
            v_held[v_hold_slot] := v_held[v_hold_slot] - v_hold.amount;
            IF v_status[v_hold_slot] = 1 THEN
                v_limit[v_hold_slot] := greatest(v_floor[v_hold_slot] + v_held[v_hold_slot], -c_max);
            END IF;
        END IF;

        v_failed := 0;
        FOR v_posting IN p_first[v_item] .. p_last[v_item] LOOP
            v_slot := p_slot[v_posting];
            v_new := v_balance[v_slot] + p_amount[v_posting] * v_sign[v_slot];
            IF v_new < v_limit[v_slot] OR v_new > c_max THEN
                v_failed := v_posting;
                EXIT;
            END IF;
            v_balance[v_slot] := v_new;
            v_posting_balance[v_posting] := v_new;
            v_posting_previous[v_posting] := v_last_seq[v_slot];
            v_posting_asset[v_posting] := v_asset[v_slot];
        END LOOP;

        IF v_failed = 0 THEN
            FOR v_posting IN p_first[v_item] .. p_last[v_item] LOOP
                v_slot := p_slot[v_posting];
                v_last_seq[v_slot] := v_next;
                v_count[v_slot] := v_count[v_slot] + 1;
            END LOOP;
            o_seq[v_item] := v_next;
            IF v_hold_slot <> 0 THEN
                UPDATE ledger.hold SET state = 2, ended_at = p_posted_at, entry_seq = v_next WHERE id = v_hold.id;
            END IF;
            v_next := v_next + 1;
        ELSE
            -- Undo, then find the code that goes first over all postings.
            FOR v_posting IN p_first[v_item] .. v_failed - 1 LOOP
                v_slot := p_slot[v_posting];
                v_balance[v_slot] := v_balance[v_slot] - p_amount[v_posting] * v_sign[v_slot];
            END LOOP;
            o_code[v_item] := ledger.judge_refusal(
                p_slot[p_first[v_item]:p_last[v_item]], p_amount[p_first[v_item]:p_last[v_item]],
                v_sign, v_balance, v_status
            );
            IF v_hold_slot <> 0 THEN
                v_held[v_hold_slot] := v_held[v_hold_slot] + v_hold.amount;
                IF v_status[v_hold_slot] = 1 THEN
                    v_limit[v_hold_slot] := greatest(v_floor[v_hold_slot] + v_held[v_hold_slot], -c_max);
                END IF;
            END IF;
        END IF;
    END LOOP;

    o_leaves := ''::bytea;
    IF v_next = v_head.next_seq THEN
        RETURN;
    END IF;

    WITH flat AS MATERIALIZED (
        -- Concatenation gives flat arrays: slices of them cost no copy of the whole.
        SELECT p_posting_account || '{}'::bigint[] AS account, v_posting_asset || '{}'::smallint[] AS asset,
            p_amount || '{}'::bigint[] AS amount, v_posting_balance || '{}'::bigint[] AS balance,
            v_posting_previous || '{}'::bigint[] AS previous
    ), posted AS (
        INSERT INTO ledger.entry (
            seq, key, request_hash, posted_at, effective_at, settlement_id, posting_account, posting_asset,
            posting_amount, posting_balance, posting_previous, description_commitment, decision_id, decision_outcome,
            decision_leaf, salt, leaf
        )
        SELECT
            item.seq, item.key, item.request_hash, p_posted_at, item.effective_at, item.settlement_id,
            flat.account[item.first:item.last], flat.asset[item.first:item.last], flat.amount[item.first:item.last],
            flat.balance[item.first:item.last], flat.previous[item.first:item.last], item.commitment,
            item.decision_id, item.decision_outcome, item.decision_leaf, item.salt,
            sha256('\x00'::bytea || item.salt || c_prefix || int8send(item.seq) || item.body)
        FROM (
            -- In the select list, unnest streams; in FROM it would store every column first.
            SELECT unnest(o_code) AS code, unnest(o_seq) AS seq, unnest(p_key) AS key,
                unnest(p_request_hash) AS request_hash, unnest(p_effective_at) AS effective_at,
                unnest(p_settlement_id) AS settlement_id, unnest(p_commitment) AS commitment, unnest(p_salt) AS salt,
                unnest(p_decision_id) AS decision_id, unnest(p_decision_outcome) AS decision_outcome,
                unnest(p_decision_leaf) AS decision_leaf, unnest(p_body) AS body, unnest(p_first) AS first,
                unnest(p_last) AS last
        ) AS item
        CROSS JOIN flat
        WHERE item.code = 0
        RETURNING seq, leaf
    )
    SELECT string_agg(posted.leaf, ''::bytea ORDER BY posted.seq) INTO o_leaves FROM posted;

    UPDATE ledger.account
    SET balance = new.balance, held = new.held, last_seq = new.last_seq,
        posting_count = account.posting_count + new.count
    FROM (
        SELECT unnest(p_account) AS id, unnest(v_balance) AS balance, unnest(v_held) AS held,
            unnest(v_last_seq) AS last_seq, unnest(v_count) AS count
    ) AS new
    WHERE account.id = new.id AND new.count > 0;

    UPDATE ledger.head SET next_seq = v_next, posted_at = p_posted_at WHERE id = 1;
END
$$;
