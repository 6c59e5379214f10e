-- An account as the contract speaks of it.
CREATE VIEW account_rows AS
SELECT id AS account_id, email, is_email_verified, name AS account_name, role,
    state AS account_state, totp_sealed IS NOT NULL AS has_totp,
    password_hash IS NOT NULL AS has_password, created_at AS account_created_at
FROM accounts;

CREATE VIEW credential_rows AS
SELECT r.*, a.password_hash, a.totp_sealed, a.failure_count, a.locked_until
FROM accounts a JOIN account_rows r ON r.account_id = a.id;

-- Locks the account's row, if it exists for the caller.
CREATE FUNCTION account_lock(_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM accounts WHERE id = _id FOR UPDATE;
    IF NOT FOUND THEN PERFORM not_found('account'); END IF;
END $$;

CREATE FUNCTION account_row(_id uuid) RETURNS SETOF account_rows
LANGUAGE sql AS $$
    SELECT * FROM account_rows WHERE account_id = _id
$$;

CREATE FUNCTION account_insert(_account jsonb, _at bigint) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO accounts (id, email, is_email_verified, name, role, password_hash, created_at)
    VALUES ((_account ->> 'id')::uuid, _account ->> 'email',
        (_account ->> 'is_email_verified')::boolean, _account ->> 'name', _account ->> 'role',
        _account ->> 'password_hash', _at)
$$;

-- Spends a code: the row that is deleted is the proof that it was there.
CREATE FUNCTION code_take(_digest bytea, _purpose text, _account uuid, _at bigint)
RETURNS TABLE (account uuid, payload bytea) LANGUAGE sql AS $$
    DELETE FROM codes c
    WHERE c.digest = _digest AND c.purpose = _purpose AND c.expires_at > _at
        AND (_account IS NULL OR c.account = _account)
    RETURNING c.account, c.payload
$$;

-- Refuses to go on when `_id` is the only active administrator. The caller holds the access row.
CREATE FUNCTION keep_an_admin(_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    _viewer text := see_all();
BEGIN
    IF EXISTS (SELECT 1 FROM accounts WHERE id = _id AND role = 'admin' AND state = 'active')
        AND NOT EXISTS (SELECT 1 FROM accounts
            WHERE id <> _id AND role = 'admin' AND state = 'active')
    THEN PERFORM refuse('last_admin'); END IF;
    PERFORM caller_enter_v1(_viewer);
END $$;

CREATE FUNCTION sessions_end(_account uuid, _keep uuid, _at bigint) RETURNS bigint
LANGUAGE sql AS $$
    WITH ended AS (
        UPDATE sessions SET revoked_at = _at
        WHERE account = _account AND revoked_at IS NULL AND expires_at > _at
            AND (_keep IS NULL OR id <> _keep)
        RETURNING 1)
    SELECT count(*) FROM ended
$$;

CREATE FUNCTION password_set(_id uuid, _password_hash text) RETURNS void
LANGUAGE sql AS $$
    UPDATE accounts SET password_hash = _password_hash, failure_count = 0, failures_since = NULL,
        locked_until = NULL
    WHERE id = _id
$$;

CREATE FUNCTION account_create_owner_v1(_account jsonb, _code bytea, _act jsonb)
RETURNS SETOF account_rows LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM access FOR UPDATE;
    IF EXISTS (SELECT 1 FROM accounts WHERE role = 'admin') THEN
        PERFORM refuse('owner_exists');
    END IF;
    PERFORM 1 FROM code_take(_code, 'owner', NULL, act_at(_act));
    IF NOT FOUND THEN PERFORM refuse('code_invalid'); END IF;
    PERFORM account_insert(_account, act_at(_act));
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM account_row((_account ->> 'id')::uuid);
END $$;

CREATE FUNCTION account_create_v1(_account jsonb, _invitation bytea, _act jsonb)
RETURNS SETOF account_rows LANGUAGE plpgsql AS $$
BEGIN
    IF _invitation IS NOT NULL THEN
        PERFORM 1 FROM code_take(_invitation, 'invitation', NULL, act_at(_act));
        IF NOT FOUND THEN PERFORM refuse('code_invalid'); END IF;
    END IF;
    PERFORM account_insert(_account, act_at(_act));
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM account_row((_account ->> 'id')::uuid);
END $$;

CREATE FUNCTION account_find_v1(_id uuid) RETURNS SETOF account_rows LANGUAGE sql STABLE AS $$
    SELECT * FROM account_rows WHERE account_id = _id
$$;

CREATE FUNCTION account_list_v1(_limit bigint, _offset bigint) RETURNS SETOF account_rows
LANGUAGE sql STABLE AS $$
    SELECT * FROM account_rows ORDER BY account_created_at, account_id LIMIT _limit OFFSET _offset
$$;

CREATE FUNCTION account_find_credentials_by_email_v1(_email text) RETURNS SETOF credential_rows
LANGUAGE sql STABLE AS $$
    SELECT * FROM credential_rows WHERE email = _email
$$;

CREATE FUNCTION account_find_credentials_v1(_id uuid) RETURNS SETOF credential_rows
LANGUAGE sql STABLE AS $$
    SELECT * FROM credential_rows WHERE account_id = _id
$$;

CREATE FUNCTION account_record_failure_v1(
    _id uuid, _limit bigint, _window_start bigint, _locked_until bigint, _act jsonb)
RETURNS TABLE (failure_count bigint, locked_until bigint) LANGUAGE plpgsql AS $$
BEGIN
    -- Right-hand sides see the row as it was, under its lock.
    RETURN QUERY UPDATE accounts a SET
        failure_count = CASE WHEN a.failures_since > _window_start
            THEN a.failure_count + 1 ELSE 1 END,
        failures_since = CASE WHEN a.failures_since > _window_start
            THEN a.failures_since ELSE act_at(_act) END,
        locked_until = CASE WHEN (CASE WHEN a.failures_since > _window_start
            THEN a.failure_count + 1 ELSE 1 END) >= _limit THEN _locked_until
            ELSE a.locked_until END
    WHERE a.id = _id
    RETURNING a.failure_count, a.locked_until;
    IF NOT FOUND THEN PERFORM not_found('account'); END IF;
    PERFORM act_record(_act, 'refused');
END $$;

CREATE FUNCTION account_change_profile_v1(
    _id uuid, _name text, _email text, _is_email_verified boolean, _act jsonb)
RETURNS SETOF account_rows LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account_lock(_id);
    UPDATE accounts SET name = _name, email = _email, is_email_verified = _is_email_verified
    WHERE id = _id;
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM account_row(_id);
END $$;

CREATE FUNCTION account_change_password_v1(_id uuid, _password_hash text, _keep uuid, _act jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM take_access_away();
    PERFORM account_lock(_id);
    PERFORM password_set(_id, _password_hash);
    PERFORM sessions_end(_id, _keep, act_at(_act));
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION account_reset_password_v1(_code bytea, _password_hash text, _act jsonb)
RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    _id uuid;
BEGIN
    PERFORM take_access_away();
    SELECT c.account INTO _id FROM code_take(_code, 'password_reset', NULL, act_at(_act)) c;
    IF _id IS NULL THEN PERFORM refuse('code_invalid'); END IF;
    PERFORM password_set(_id, _password_hash);
    PERFORM sessions_end(_id, NULL, act_at(_act));
    PERFORM act_record(_act, 'done');
    RETURN _id;
END $$;

CREATE FUNCTION account_rehash_password_v1(_id uuid, _old text, _new text) RETURNS boolean
LANGUAGE sql AS $$
    WITH changed AS (
        UPDATE accounts SET password_hash = _new
        WHERE id = _id AND password_hash = _old
        RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM changed)
$$;

CREATE FUNCTION account_change_totp_v1(
    _id uuid, _totp_sealed bytea, _recovery_codes bytea[], _act jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account_lock(_id);
    UPDATE accounts SET totp_sealed = _totp_sealed, totp_step = NULL WHERE id = _id;
    DELETE FROM codes WHERE account = _id AND purpose = 'recovery';
    INSERT INTO codes (digest, purpose, account, payload, expires_at)
    SELECT digest, 'recovery', _id, '', 9223372036854775807
    FROM unnest(_recovery_codes) AS digest;
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION account_use_totp_step_v1(_id uuid, _step bigint) RETURNS boolean
LANGUAGE sql AS $$
    WITH used AS (
        UPDATE accounts SET totp_step = _step
        WHERE id = _id AND (totp_step IS NULL OR totp_step < _step)
        RETURNING 1)
    SELECT EXISTS (SELECT 1 FROM used)
$$;

CREATE FUNCTION account_change_state_v1(_id uuid, _state text, _act jsonb)
RETURNS SETOF account_rows LANGUAGE plpgsql AS $$
BEGIN
    PERFORM take_access_away();
    PERFORM account_lock(_id);
    IF _state = 'disabled' THEN
        PERFORM keep_an_admin(_id);
        PERFORM sessions_end(_id, NULL, act_at(_act));
    END IF;
    UPDATE accounts SET state = _state WHERE id = _id;
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM account_row(_id);
END $$;

CREATE FUNCTION account_change_role_v1(_id uuid, _role text, _act jsonb)
RETURNS SETOF account_rows LANGUAGE plpgsql AS $$
BEGIN
    PERFORM take_access_away();
    PERFORM account_lock(_id);
    IF _role <> 'admin' THEN PERFORM keep_an_admin(_id); END IF;
    UPDATE accounts SET role = _role WHERE id = _id;
    PERFORM act_record(_act, 'done');
    RETURN QUERY SELECT * FROM account_row(_id);
END $$;

CREATE FUNCTION quotas_forget(_account uuid) RETURNS void
LANGUAGE sql AS $$
    DELETE FROM quotas WHERE (holder_kind = 'account' AND holder = _account)
        OR (holder_kind = 'key' AND holder IN (SELECT id FROM api_keys WHERE account = _account))
$$;

CREATE FUNCTION account_delete_v1(_id uuid, _act jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM take_access_away();
    PERFORM account_lock(_id);
    PERFORM keep_an_admin(_id);
    PERFORM quotas_forget(_id);
    DELETE FROM accounts WHERE id = _id;
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION account_count_v1() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM accounts
$$;

CREATE FUNCTION access_revision_v1() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT revision FROM access
$$;
