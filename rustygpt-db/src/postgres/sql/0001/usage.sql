-- What is spent now, and whether this was granted. The conflicting row is locked before the
-- condition is read.
CREATE FUNCTION usage_spend_quota_v1(
    _kind text, _holder uuid, _period text, _start bigint, _limit bigint, _tokens bigint,
    OUT is_granted boolean, OUT spent_now bigint)
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quotas (holder_kind, holder, period, period_start, spent)
    VALUES (_kind, _holder, _period, _start, 0)
    ON CONFLICT DO NOTHING;
    UPDATE quotas SET spent = spent + _tokens
    WHERE holder_kind = _kind AND holder = _holder AND period = _period AND period_start = _start
        AND _tokens <= _limit - spent
    RETURNING spent INTO spent_now;
    is_granted := FOUND;
    IF NOT is_granted THEN
        SELECT spent INTO spent_now FROM quotas
        WHERE holder_kind = _kind AND holder = _holder AND period = _period
            AND period_start = _start;
    END IF;
END $$;

CREATE FUNCTION usage_return_quota_v1(
    _kind text, _holder uuid, _period text, _start bigint, _tokens bigint)
RETURNS void LANGUAGE sql AS $$
    UPDATE quotas SET spent = greatest(0, spent - _tokens)
    WHERE holder_kind = _kind AND holder = _holder AND period = _period AND period_start = _start
$$;

CREATE FUNCTION usage_record_v1(
    _day bigint, _account uuid, _key uuid, _model text, _prompt_tokens bigint,
    _cached_tokens bigint, _completion_tokens bigint)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO usage_days
    SELECT _day, id, _key, _model, 1, _prompt_tokens, _cached_tokens, _completion_tokens
    FROM accounts WHERE id = _account
    FOR KEY SHARE
    ON CONFLICT (day, account, key, model) DO UPDATE SET
        requests = usage_days.requests + 1,
        prompt_tokens = usage_days.prompt_tokens + excluded.prompt_tokens,
        cached_tokens = usage_days.cached_tokens + excluded.cached_tokens,
        completion_tokens = usage_days.completion_tokens + excluded.completion_tokens
$$;

CREATE FUNCTION usage_list_v1(_account uuid, _from bigint, _until bigint)
RETURNS SETOF usage_days LANGUAGE sql STABLE AS $$
    SELECT * FROM usage_days
    WHERE day >= _from AND day < _until AND (_account IS NULL OR account = _account)
    ORDER BY day, account, key, model
$$;
