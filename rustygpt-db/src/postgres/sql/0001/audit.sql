CREATE FUNCTION audit_append_v1(_act jsonb, _outcome text) RETURNS void LANGUAGE sql AS $$
    SELECT act_record(_act, _outcome)
$$;

CREATE FUNCTION audit_list_v1(_after bigint, _action_prefix text, _limit bigint)
RETURNS SETOF audit LANGUAGE sql STABLE AS $$
    SELECT * FROM audit
    WHERE sequence > _after AND starts_with(action, _action_prefix)
    ORDER BY sequence LIMIT _limit
$$;

CREATE FUNCTION audit_head_v1() RETURNS SETOF audit_head LANGUAGE sql STABLE AS $$
    SELECT * FROM audit_head
$$;

CREATE FUNCTION audit_prune_v1(_before bigint, _act jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    _last audit;
    _pruned bigint := 0;
BEGIN
    PERFORM 1 FROM audit_head FOR UPDATE;
    -- A clock that was set back must not tear a hole: what goes is a beginning of the chain.
    SELECT * INTO _last FROM audit
    WHERE sequence < coalesce(
        (SELECT min(sequence) FROM audit WHERE at >= _before), 9223372036854775807)
    ORDER BY sequence DESC LIMIT 1;
    IF FOUND THEN
        UPDATE audit_head SET pruned = _last.sequence, pruned_hash = _last.hash;
        DELETE FROM audit WHERE sequence <= _last.sequence;
        GET DIAGNOSTICS _pruned = ROW_COUNT;
    END IF;
    PERFORM act_record(_act, 'done');
    RETURN _pruned;
END $$;
