CREATE VIEW api_key_holder_rows AS
SELECT k.*, r.account_id, r.email, r.is_email_verified, r.account_name, r.role, r.account_state,
    r.has_totp, r.has_password, r.account_created_at
FROM api_keys k JOIN account_rows r ON r.account_id = k.account;

CREATE FUNCTION api_key_create_v1(_key jsonb, _digest bytea, _act jsonb) RETURNS SETOF api_keys
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM account_lock((_key ->> 'account')::uuid);
    PERFORM act_record(_act, 'done');
    RETURN QUERY INSERT INTO api_keys (id, account, name, digest, hint, scopes, expires_at,
        requests_per_minute, quota_tokens, quota_period, created_at)
    VALUES ((_key ->> 'id')::uuid, (_key ->> 'account')::uuid, _key ->> 'name', _digest,
        _key ->> 'hint', _key ->> 'scopes', (_key ->> 'expires_at')::bigint,
        (_key ->> 'requests_per_minute')::bigint, (_key ->> 'quota_tokens')::bigint,
        _key ->> 'quota_period', act_at(_act))
    RETURNING *;
END $$;

CREATE FUNCTION api_key_find_holder_v1(_digest bytea) RETURNS SETOF api_key_holder_rows
LANGUAGE sql STABLE AS $$
    SELECT * FROM api_key_holder_rows WHERE digest = _digest
$$;

CREATE FUNCTION api_key_find_v1(_id uuid) RETURNS SETOF api_keys LANGUAGE sql STABLE AS $$
    SELECT * FROM api_keys WHERE id = _id
$$;

CREATE FUNCTION api_key_list_v1(_account uuid) RETURNS SETOF api_keys LANGUAGE sql STABLE AS $$
    SELECT * FROM api_keys WHERE account = _account ORDER BY created_at DESC, id DESC
$$;

CREATE FUNCTION api_key_revoke_v1(_id uuid, _act jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM take_access_away();
    UPDATE api_keys SET revoked_at = coalesce(revoked_at, act_at(_act)) WHERE id = _id;
    IF NOT FOUND THEN PERFORM not_found('API key'); END IF;
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION api_key_touch_v1(_id uuid, _at bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE api_keys SET last_used_at = _at
    WHERE id = _id AND (last_used_at IS NULL OR last_used_at < _at)
$$;
