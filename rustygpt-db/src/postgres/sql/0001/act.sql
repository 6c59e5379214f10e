-- What every act does beside its own. Functions without a version in their name are called by
-- procedures only; the app role may not execute them.

CREATE FUNCTION caller_enter_v1(_viewer text) RETURNS void LANGUAGE sql AS $$
    SELECT set_config('rustygpt.viewer', _viewer, true)
$$;

CREATE FUNCTION store_ping_v1() RETURNS bigint LANGUAGE sql AS $$
    SELECT revision FROM access
$$;

-- Ends the act: nothing of it has happened. The client turns the words into its own errors.
CREATE FUNCTION refuse(_conflict text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'RG409', MESSAGE = _conflict;
END $$;

CREATE FUNCTION not_found(_what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'RG404', MESSAGE = _what;
END $$;

-- Tells everyone who remembers who is who to forget it. Its row is also the lock under which the
-- set of administrators changes.
CREATE FUNCTION take_access_away() RETURNS void LANGUAGE sql AS $$
    UPDATE access SET revision = revision + 1
$$;

-- Shows everybody's rows to what follows, for rules that concern more than the caller's own. Answers
-- whose rows were shown before; whoever calls it gives that to caller_enter_v1 afterwards.
CREATE FUNCTION see_all() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    _before text := coalesce(current_setting('rustygpt.viewer', true), '');
BEGIN
    PERFORM set_config('rustygpt.viewer', 'all', true);
    RETURN _before;
END $$;

-- Enqueues one task. Its id, and whether it is new. A task may be another's or nobody's.
CREATE FUNCTION task_insert(_task jsonb, _at bigint, OUT task_id uuid, OUT is_new boolean)
LANGUAGE plpgsql AS $$
DECLARE
    _viewer text := see_all();
BEGIN
    INSERT INTO tasks (id, kind, payload, account, priority, run_at, max_attempts, tries,
        idempotency_key, created_at)
    VALUES ((_task ->> 'id')::uuid, _task ->> 'kind', _task ->> 'payload',
        (_task ->> 'account')::uuid, (_task ->> 'priority')::bigint, (_task ->> 'run_at')::bigint,
        (_task ->> 'max_attempts')::bigint, (_task ->> 'max_attempts')::bigint,
        _task ->> 'idempotency_key', _at)
    ON CONFLICT (kind, idempotency_key) DO NOTHING;
    is_new := FOUND;
    IF is_new THEN
        task_id := (_task ->> 'id')::uuid;
    ELSE
        SELECT t.id INTO task_id FROM tasks t
        WHERE t.kind = _task ->> 'kind' AND t.idempotency_key = _task ->> 'idempotency_key';
    END IF;
    PERFORM caller_enter_v1(_viewer);
END $$;

-- A field of an entry as it is hashed: length:bytes, so that no two entries are the same bytes.
CREATE FUNCTION netstring(_field text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT convert_to(octet_length(_field) || ':' || _field || ',', 'UTF8')
$$;

-- Enqueues the act's tasks and appends it to the audit log. The head's row lock puts all acts in
-- one order; it is taken last, so that it is held for moments only.
CREATE FUNCTION act_record(_act jsonb, _outcome text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
    new_hash bytea;
BEGIN
    PERFORM task_insert(task, (_act ->> 'at')::bigint)
    FROM jsonb_array_elements(_act -> 'tasks') AS task;
    SELECT * INTO STRICT head FROM audit_head FOR UPDATE;
    new_hash := sha256(head.last_hash
        || netstring((head.last + 1)::text)
        || netstring(_act ->> 'at')
        || netstring(_act ->> 'principal')
        || netstring(coalesce(_act ->> 'account', ''))
        || netstring(_act ->> 'action')
        || netstring(_act ->> 'object')
        || netstring(_outcome)
        || netstring(_act ->> 'request')
        || netstring(_act ->> 'address')
        || netstring(_act ->> 'detail'));
    INSERT INTO audit VALUES (head.last + 1, (_act ->> 'at')::bigint, _act ->> 'principal',
        (_act ->> 'account')::uuid, _act ->> 'action', _act ->> 'object', _outcome,
        _act ->> 'request', _act ->> 'address', _act ->> 'detail', head.last_hash, new_hash);
    UPDATE audit_head SET last = head.last + 1, last_hash = new_hash;
END $$;

CREATE FUNCTION act_at(_act jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (_act ->> 'at')::bigint
$$;
