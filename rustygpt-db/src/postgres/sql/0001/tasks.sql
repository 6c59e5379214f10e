CREATE FUNCTION task_enqueue_v1(_task jsonb, _at bigint, OUT task_id uuid, OUT is_new boolean)
LANGUAGE sql AS $$
    SELECT * FROM task_insert(_task, _at)
$$;

-- Rows that another claim holds are skipped, not waited for: no task is given to two.
CREATE FUNCTION task_claim_v1(_worker text, _kinds text[], _at bigint, _leased_until bigint)
RETURNS SETOF tasks LANGUAGE sql AS $$
    UPDATE tasks SET
        state = CASE WHEN is_cancel_requested THEN 'cancelled' ELSE 'dead' END,
        finished_at = _at, leased_until = NULL,
        last_error = coalesce(last_error, 'its worker stopped to answer')
    WHERE id IN (
        SELECT id FROM tasks
        WHERE state = 'running' AND leased_until <= _at
            AND (attempts >= max_attempts OR is_cancel_requested)
        FOR UPDATE SKIP LOCKED);
    UPDATE tasks SET state = 'running', attempts = attempts + 1, worker = _worker,
        leased_until = _leased_until
    WHERE id = (
        SELECT id FROM tasks
        WHERE kind = ANY (_kinds)
            AND ((state = 'waiting' AND run_at <= _at)
                OR (state = 'running' AND leased_until <= _at AND attempts < max_attempts
                    AND NOT is_cancel_requested))
        ORDER BY priority DESC, run_at, id
        LIMIT 1
        FOR UPDATE SKIP LOCKED)
    RETURNING *;
$$;

CREATE FUNCTION task_heartbeat_v1(_id uuid, _attempt bigint, _leased_until bigint)
RETURNS SETOF tasks LANGUAGE sql AS $$
    UPDATE tasks SET leased_until = _leased_until
    WHERE id = _id AND attempts = _attempt AND state = 'running'
    RETURNING *
$$;

CREATE FUNCTION task_complete_v1(_id uuid, _attempt bigint, _at bigint, _follow_ups jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tasks SET
        state = CASE WHEN is_cancel_requested THEN 'cancelled' ELSE 'done' END,
        finished_at = _at, leased_until = NULL
    WHERE id = _id AND attempts = _attempt AND state = 'running';
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM task_insert(task, _at) FROM jsonb_array_elements(_follow_ups) AS task;
    RETURN true;
END $$;

CREATE FUNCTION task_fail_v1(
    _id uuid, _attempt bigint, _at bigint, _error text, _retry_at bigint)
RETURNS boolean LANGUAGE sql AS $$
    WITH failed AS (
        SELECT id, CASE WHEN is_cancel_requested THEN 'cancelled'
            WHEN _retry_at IS NULL OR attempts >= max_attempts THEN 'dead'
            ELSE 'waiting' END AS next
        FROM tasks
        WHERE id = _id AND attempts = _attempt AND state = 'running'
        FOR UPDATE),
    moved AS (
        UPDATE tasks t SET state = failed.next, last_error = _error, leased_until = NULL,
            worker = CASE WHEN failed.next = 'waiting' THEN NULL ELSE t.worker END,
            run_at = CASE WHEN failed.next = 'waiting' THEN _retry_at ELSE t.run_at END,
            finished_at = CASE WHEN failed.next = 'waiting' THEN NULL ELSE _at END
        FROM failed WHERE t.id = failed.id
        RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM moved)
$$;

CREATE FUNCTION task_cancel_v1(_id uuid, _act jsonb) RETURNS SETOF tasks LANGUAGE plpgsql AS $$
DECLARE
    _task tasks;
BEGIN
    SELECT * INTO _task FROM tasks WHERE id = _id FOR UPDATE;
    IF NOT FOUND THEN PERFORM not_found('task'); END IF;
    IF _task.state NOT IN ('waiting', 'running') THEN PERFORM refuse('wrong_state'); END IF;
    UPDATE tasks SET is_cancel_requested = true,
        finished_at = CASE WHEN state = 'waiting' THEN act_at(_act) END,
        state = CASE WHEN state = 'waiting' THEN 'cancelled' ELSE state END
    WHERE id = _id
    RETURNING * INTO _task;
    PERFORM act_record(_act, 'done');
    RETURN NEXT _task;
END $$;

CREATE FUNCTION task_retry_v1(_id uuid, _act jsonb) RETURNS SETOF tasks LANGUAGE plpgsql AS $$
DECLARE
    _task tasks;
BEGIN
    SELECT * INTO _task FROM tasks WHERE id = _id FOR UPDATE;
    IF NOT FOUND THEN PERFORM not_found('task'); END IF;
    IF _task.state NOT IN ('dead', 'cancelled') THEN PERFORM refuse('wrong_state'); END IF;
    -- Attempts only ever grow: they fence off whoever ran it before.
    UPDATE tasks SET state = 'waiting', run_at = act_at(_act), max_attempts = attempts + tries,
        is_cancel_requested = false, finished_at = NULL, worker = NULL
    WHERE id = _id
    RETURNING * INTO _task;
    PERFORM act_record(_act, 'done');
    RETURN NEXT _task;
END $$;

CREATE FUNCTION task_find_v1(_id uuid) RETURNS SETOF tasks LANGUAGE sql STABLE AS $$
    SELECT * FROM tasks WHERE id = _id
$$;

CREATE FUNCTION task_list_v1(_state text, _kind text, _limit bigint, _offset bigint)
RETURNS SETOF tasks LANGUAGE sql STABLE AS $$
    SELECT * FROM tasks
    WHERE (_state IS NULL OR state = _state) AND (_kind IS NULL OR kind = _kind)
    ORDER BY created_at DESC, id DESC LIMIT _limit OFFSET _offset
$$;

CREATE FUNCTION task_next_due_v1(_kinds text[]) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(CASE state WHEN 'waiting' THEN run_at ELSE leased_until END)
    FROM tasks WHERE state IN ('waiting', 'running') AND kind = ANY (_kinds)
$$;

CREATE FUNCTION task_prune_v1(_before bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH pruned AS (DELETE FROM tasks WHERE finished_at < _before RETURNING 1)
    SELECT count(*) FROM pruned
$$;

CREATE FUNCTION schedule_put_v1(
    _name text, _pattern text, _time_zone text, _kind text, _payload text, _next_run_at bigint)
RETURNS SETOF schedules LANGUAGE sql AS $$
    INSERT INTO schedules VALUES (_name, _pattern, _time_zone, _kind, _payload, _next_run_at)
    ON CONFLICT (name) DO UPDATE SET
        next_run_at = CASE
            WHEN schedules.pattern = excluded.pattern
                AND schedules.time_zone = excluded.time_zone
            THEN schedules.next_run_at ELSE excluded.next_run_at END,
        pattern = excluded.pattern, time_zone = excluded.time_zone, kind = excluded.kind,
        payload = excluded.payload
    RETURNING *
$$;

CREATE FUNCTION schedule_remove_v1(_name text) RETURNS void LANGUAGE sql AS $$
    DELETE FROM schedules WHERE name = _name
$$;

CREATE FUNCTION schedule_list_due_v1(_at bigint) RETURNS SETOF schedules LANGUAGE sql STABLE AS $$
    SELECT * FROM schedules WHERE next_run_at <= _at ORDER BY name
$$;

CREATE FUNCTION schedule_fire_v1(_name text, _due bigint, _next bigint, _task jsonb)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE schedules SET next_run_at = _next WHERE name = _name AND next_run_at = _due;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM task_insert(_task, _due);
    RETURN true;
END $$;
