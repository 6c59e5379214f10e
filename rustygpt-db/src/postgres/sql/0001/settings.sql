CREATE FUNCTION setting_list_v1() RETURNS SETOF settings LANGUAGE sql STABLE AS $$
    SELECT * FROM settings ORDER BY name
$$;

CREATE FUNCTION setting_find_v1(_name text) RETURNS SETOF settings LANGUAGE sql STABLE AS $$
    SELECT * FROM settings WHERE name = _name
$$;

-- Inserted first, so that there is a row to lock: revision 0 is one that is not set.
CREATE FUNCTION setting_change_v1(_name text, _value text, _expected bigint, _act jsonb)
RETURNS SETOF settings LANGUAGE plpgsql AS $$
DECLARE
    _changed settings;
BEGIN
    INSERT INTO settings (name, value, revision, changed_at) VALUES (_name, _value, 0, 0)
    ON CONFLICT DO NOTHING;
    UPDATE settings SET value = _value, revision = revision + 1, changed_at = act_at(_act),
        changed_by = (SELECT id FROM accounts WHERE id = (_act ->> 'account')::uuid)
    WHERE name = _name AND (_expected IS NULL OR revision = _expected)
    RETURNING * INTO _changed;
    IF NOT FOUND THEN PERFORM refuse('stale'); END IF;
    PERFORM act_record(_act, 'done');
    RETURN NEXT _changed;
END $$;

CREATE FUNCTION setting_remove_v1(_name text, _act jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM settings WHERE name = _name;
    IF FOUND THEN PERFORM act_record(_act, 'done'); END IF;
END $$;
