-- Two roles nobody signs in as: one owns everything, one may execute the procedures. Whoever
-- connects must be able to become both, or they are made beforehand by an administrator.
DO $$
DECLARE
    _role text;
    _is_member boolean;
BEGIN
    FOREACH _role IN ARRAY ARRAY['rustygpt_owner', 'rustygpt_app'] LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = _role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS', _role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL; -- Another process of the cluster made it just now.
            END;
        END IF;
        -- Since version 16 being a member does not suffice to become one.
        IF current_setting('server_version_num')::int >= 160000 THEN
            _is_member := pg_has_role(current_user, _role, 'SET');
        ELSE
            _is_member := pg_has_role(current_user, _role, 'MEMBER');
        END IF;
        IF NOT _is_member THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', _role);
        END IF;
    END LOOP;
END $$;
CREATE SCHEMA IF NOT EXISTS rustygpt AUTHORIZATION rustygpt_owner;
