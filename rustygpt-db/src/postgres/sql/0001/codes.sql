CREATE FUNCTION code_issue_v1(
    _digest bytea, _purpose text, _account uuid, _payload bytea, _expires_at bigint,
    _is_single boolean, _act jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF _is_single THEN
        DELETE FROM codes WHERE purpose = _purpose AND account IS NOT DISTINCT FROM _account;
    END IF;
    INSERT INTO codes (digest, purpose, account, payload, expires_at)
    VALUES (_digest, _purpose, _account, _payload, _expires_at);
    PERFORM act_record(_act, 'done');
END $$;

CREATE FUNCTION code_spend_v1(_digest bytea, _purpose text, _account uuid, _act jsonb)
RETURNS TABLE (account uuid, payload bytea) LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM code_take(_digest, _purpose, _account, act_at(_act));
    PERFORM act_record(_act, CASE WHEN FOUND THEN 'done' ELSE 'refused' END);
END $$;

CREATE FUNCTION code_prune_v1(_at bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH pruned AS (DELETE FROM codes WHERE expires_at <= _at RETURNING 1)
    SELECT count(*) FROM pruned
$$;
