CREATE TABLE IF NOT EXISTS migrations (version bigint PRIMARY KEY, digest bytea NOT NULL);
CREATE OR REPLACE FUNCTION migration_list_v1() RETURNS SETOF migrations LANGUAGE sql STABLE AS $$
    SELECT * FROM migrations ORDER BY version
$$;
