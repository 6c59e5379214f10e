-- Forgets the chain's beginning up to one entry, of which the caller tells the hash: so that only
-- what somebody has a copy of goes.
CREATE FUNCTION audit_prune_v2(_through bigint, _hash bytea, _act jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    _pruned bigint;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    IF NOT EXISTS (SELECT 1 FROM audit WHERE sequence = _through AND hash = _hash) THEN
        PERFORM refuse('stale');
    END IF;
    UPDATE audit_head SET pruned = _through, pruned_hash = _hash;
    DELETE FROM audit WHERE sequence <= _through;
    GET DIAGNOSTICS _pruned = ROW_COUNT;
    PERFORM act_record(_act, 'done');
    RETURN _pruned;
END $$;

CREATE FUNCTION session_prune_tokens_v1(_before bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH pruned AS (DELETE FROM refresh_tokens WHERE expires_at < _before RETURNING 1)
    SELECT count(*) FROM pruned
$$;

-- The attempt is not counted against the task: a worker gave it back unharmed.
CREATE FUNCTION task_release_v1(_id uuid, _attempt bigint, _at bigint) RETURNS boolean
LANGUAGE sql AS $$
    WITH released AS (
        UPDATE tasks SET
            state = CASE WHEN is_cancel_requested THEN 'cancelled' ELSE 'waiting' END,
            finished_at = CASE WHEN is_cancel_requested THEN _at END,
            run_at = _at, max_attempts = max_attempts + 1, worker = NULL, leased_until = NULL
        WHERE id = _id AND attempts = _attempt AND state = 'running'
        RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM released)
$$;

CREATE FUNCTION task_count_v1(OUT waiting bigint, OUT running bigint, OUT dead bigint)
LANGUAGE sql STABLE AS $$
    SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'running'),
        count(*) FILTER (WHERE state = 'dead')
    FROM tasks
$$;

-- As usage_spend_quota_v1, but whole where any at all is left.
CREATE FUNCTION usage_draw_quota_v1(
    _kind text, _holder uuid, _period text, _start bigint, _limit bigint, _tokens bigint,
    OUT is_granted boolean, OUT spent_now bigint)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quotas (holder_kind, holder, period, period_start, spent)
    VALUES (_kind, _holder, _period, _start, 0)
    ON CONFLICT DO NOTHING;
    UPDATE quotas SET spent = spent + least(_tokens, 9223372036854775807 - spent)
    WHERE holder_kind = _kind AND holder = _holder AND period = _period AND period_start = _start
        AND spent < _limit
    RETURNING spent INTO spent_now;
    is_granted := FOUND;
    IF NOT is_granted THEN
        SELECT spent INTO spent_now FROM quotas
        WHERE holder_kind = _kind AND holder = _holder AND period = _period
            AND period_start = _start;
    END IF;
END $$;

CREATE FUNCTION usage_list_v2(
    _account uuid, _from bigint, _until bigint, _limit bigint, _offset bigint)
RETURNS SETOF usage_days LANGUAGE sql STABLE AS $$
    SELECT * FROM usage_days
    WHERE day >= _from AND day < _until AND (_account IS NULL OR account = _account)
    ORDER BY day, account, key, model LIMIT _limit OFFSET _offset
$$;

-- The counts of quotas go with the days they were counted on.
CREATE FUNCTION usage_prune_v1(_before bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH counts AS (DELETE FROM quotas WHERE period_start < _before),
    pruned AS (DELETE FROM usage_days WHERE day < _before RETURNING 1)
    SELECT count(*) FROM pruned
$$;
