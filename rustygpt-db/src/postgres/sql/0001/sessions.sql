CREATE FUNCTION session_start_v1(_session jsonb, _token bytea, _token_expires_at bigint, _act jsonb)
RETURNS SETOF sessions LANGUAGE plpgsql AS $$
DECLARE
    _id uuid := (_session ->> 'id')::uuid;
    _account uuid := (_session ->> 'account')::uuid;
BEGIN
    PERFORM account_lock(_account);
    IF EXISTS (SELECT 1 FROM accounts WHERE id = _account AND state = 'disabled') THEN
        PERFORM refuse('account_disabled');
    END IF;
    INSERT INTO sessions (id, account, address, user_agent, created_at, refreshed_at, expires_at)
    VALUES (_id, _account, _session ->> 'address', _session ->> 'user_agent', act_at(_act),
        act_at(_act), (_session ->> 'expires_at')::bigint);
    INSERT INTO refresh_tokens (digest, session, expires_at)
    VALUES (_token, _id, _token_expires_at);
    UPDATE accounts SET failure_count = 0, failures_since = NULL, locked_until = NULL
    WHERE id = _account;
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM sessions WHERE id = _id;
END $$;

-- The outcome is 'rotated', 'raced', 'reused' or 'refused'. The lock on the session's row puts
-- those who present tokens of one family in one order.
CREATE FUNCTION session_refresh(
    _presented bytea, _child bytea, _child_expires_at bigint, _grace bigint, _act jsonb,
    OUT outcome text, OUT session_id uuid, OUT session_account uuid)
LANGUAGE plpgsql AS $$
DECLARE
    _token refresh_tokens;
BEGIN
    outcome := 'refused';
    SELECT s.id, s.account INTO session_id, session_account
    FROM refresh_tokens t JOIN sessions s ON s.id = t.session
    WHERE t.digest = _presented
    FOR UPDATE OF s;
    IF NOT FOUND THEN RETURN; END IF;
    -- Read anew: what was seen before the lock may have changed. A token that opens nothing any
    -- more is not told from one that never was.
    SELECT t.* INTO _token
    FROM refresh_tokens t
    JOIN sessions s ON s.id = t.session
    JOIN accounts a ON a.id = s.account
    WHERE t.digest = _presented AND s.revoked_at IS NULL AND s.expires_at > act_at(_act)
        AND a.state = 'active';
    IF NOT FOUND THEN RETURN; END IF;
    IF _token.spent_at IS NOT NULL THEN
        IF act_at(_act) - _token.spent_at < _grace THEN
            outcome := 'raced';
            RETURN;
        END IF;
        PERFORM take_access_away();
        UPDATE sessions SET revoked_at = act_at(_act) WHERE id = session_id;
        PERFORM act_record(_act, 'refused');
        outcome := 'reused';
        RETURN;
    END IF;
    IF _token.expires_at <= act_at(_act) THEN RETURN; END IF;
    UPDATE refresh_tokens SET spent_at = act_at(_act) WHERE digest = _presented;
    INSERT INTO refresh_tokens (digest, session, expires_at)
    VALUES (_child, session_id, _child_expires_at);
    UPDATE sessions SET refreshed_at = act_at(_act) WHERE id = session_id;
    PERFORM act_record(_act, 'done');
    outcome := 'rotated';
END $$;

CREATE VIEW session_holder_rows AS
SELECT s.*, r.account_id, r.email, r.is_email_verified, r.account_name, r.role, r.account_state,
    r.has_totp, r.has_password, r.account_created_at
FROM sessions s JOIN account_rows r ON r.account_id = s.account;

-- What became of the token, and the session and account it belongs to, if any.
CREATE FUNCTION session_refresh_v1(
    _presented bytea, _child bytea, _child_expires_at bigint, _grace bigint, _act jsonb)
RETURNS TABLE (outcome text, session_id uuid, session_account uuid, id uuid, account uuid,
    address text, user_agent text, created_at bigint, refreshed_at bigint, expires_at bigint,
    account_id uuid, email text, is_email_verified boolean, account_name text, role text,
    account_state text, has_totp boolean, has_password boolean, account_created_at bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    _refreshed record;
BEGIN
    SELECT * INTO _refreshed
    FROM session_refresh(_presented, _child, _child_expires_at, _grace, _act);
    RETURN QUERY
    SELECT _refreshed.outcome, _refreshed.session_id, _refreshed.session_account, h.id, h.account,
        h.address, h.user_agent, h.created_at, h.refreshed_at, h.expires_at, h.account_id, h.email,
        h.is_email_verified, h.account_name, h.role, h.account_state, h.has_totp, h.has_password,
        h.account_created_at
    FROM (SELECT 1) AS always
    LEFT JOIN session_holder_rows h ON h.id = _refreshed.session_id;
END $$;

CREATE FUNCTION session_find_live_v1(_id uuid, _at bigint) RETURNS SETOF sessions
LANGUAGE sql STABLE AS $$
    SELECT * FROM sessions WHERE id = _id AND revoked_at IS NULL AND expires_at > _at
$$;

CREATE FUNCTION session_list_v1(_account uuid, _at bigint) RETURNS SETOF sessions
LANGUAGE sql STABLE AS $$
    SELECT * FROM sessions
    WHERE account = _account AND revoked_at IS NULL AND expires_at > _at
    ORDER BY created_at DESC, id DESC
$$;

CREATE FUNCTION session_revoke_v1(_id uuid, _act jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM take_access_away();
    UPDATE sessions SET revoked_at = coalesce(revoked_at, act_at(_act)) WHERE id = _id;
    IF NOT FOUND THEN PERFORM not_found('session'); END IF;
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION session_revoke_all_v1(_account uuid, _keep uuid, _act jsonb) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    _ended bigint;
BEGIN
    PERFORM take_access_away();
    PERFORM account_lock(_account);
    _ended := sessions_end(_account, _keep, act_at(_act));
    PERFORM act_record(_act, 'done');
    RETURN _ended;
END $$;

CREATE FUNCTION session_prune_v1(_before bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH pruned AS (
        DELETE FROM sessions WHERE expires_at < _before OR revoked_at < _before RETURNING 1)
    SELECT count(*) FROM pruned
$$;
