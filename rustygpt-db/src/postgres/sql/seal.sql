-- Run after every migration: procedures (named `…_vN`) run as their owner, whom row-level security
-- binds; the app role may execute them and nothing else.
DO $$
DECLARE
    _function record;
BEGIN
    FOR _function IN
        SELECT p.oid::regprocedure AS signature, p.proname ~ '_v[0-9]+$' AS is_procedure
        FROM pg_proc p WHERE p.pronamespace = 'rustygpt'::regnamespace
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', _function.signature);
        IF _function.is_procedure THEN
            EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = rustygpt, pg_temp',
                _function.signature);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO rustygpt_app', _function.signature);
        END IF;
    END LOOP;
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA rustygpt FROM PUBLIC, rustygpt_app;
REVOKE ALL ON SCHEMA rustygpt FROM PUBLIC;
GRANT USAGE ON SCHEMA rustygpt TO rustygpt_app;
