-- The tables and their guards as the migrations make them; a test compares the two. Procedures are
-- not repeated here: each stands once, under a name that is never given another meaning.
-- Times are milliseconds since 1970 (UTC), digests SHA-256. Everything lies in the schema rustygpt
-- and belongs to rustygpt_owner, who runs this.

CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    email text NOT NULL CONSTRAINT accounts_email UNIQUE,
    is_email_verified boolean NOT NULL,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('read_only', 'user', 'admin')),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    password_hash text,
    totp_sealed bytea,
    -- The last time step whose code was used; it and those before it open no more.
    totp_step bigint,
    failure_count bigint NOT NULL DEFAULT 0,
    failures_since bigint,
    locked_until bigint,
    created_at bigint NOT NULL
);

CREATE INDEX accounts_in_order ON accounts (created_at, id);

CREATE TABLE identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    account uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    email text,
    linked_at bigint NOT NULL,
    PRIMARY KEY (issuer, subject)
);

CREATE INDEX identities_of_account ON identities (account);

CREATE TABLE sessions (
    id uuid PRIMARY KEY,
    account uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    address text NOT NULL,
    user_agent text NOT NULL,
    created_at bigint NOT NULL,
    refreshed_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint
);

CREATE INDEX sessions_of_account ON sessions (account);

CREATE TABLE refresh_tokens (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    session uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at bigint NOT NULL,
    spent_at bigint
);

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    account uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    hint text NOT NULL,
    -- Words between spaces.
    scopes text NOT NULL,
    expires_at bigint,
    requests_per_minute bigint,
    quota_tokens bigint,
    quota_period text CHECK (quota_period IN ('day', 'month')),
    created_at bigint NOT NULL,
    last_used_at bigint,
    revoked_at bigint
);

CREATE INDEX api_keys_of_account ON api_keys (account);

-- A spent code is a deleted row.
CREATE TABLE codes (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    purpose text NOT NULL,
    account uuid REFERENCES accounts (id) ON DELETE CASCADE,
    payload bytea NOT NULL,
    expires_at bigint NOT NULL
);

CREATE INDEX codes_of_account ON codes (account, purpose);

CREATE TABLE quotas (
    holder_kind text NOT NULL CHECK (holder_kind IN ('key', 'account')),
    holder uuid NOT NULL,
    period text NOT NULL CHECK (period IN ('day', 'month')),
    period_start bigint NOT NULL,
    spent bigint NOT NULL CHECK (spent >= 0),
    PRIMARY KEY (holder_kind, holder, period, period_start)
);

CREATE TABLE usage_days (
    day bigint NOT NULL,
    account uuid NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The nil id where no key was used.
    key uuid NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    cached_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    PRIMARY KEY (day, account, key, model)
);

CREATE INDEX usage_days_of_account ON usage_days (account, day);

-- No reference to accounts: the log outlives them.
CREATE TABLE audit (
    sequence bigint PRIMARY KEY,
    at bigint NOT NULL,
    principal text NOT NULL CHECK (principal IN ('server', 'account', 'admin')),
    by_account uuid,
    action text NOT NULL,
    object text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    request text NOT NULL,
    address text NOT NULL,
    detail text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);

CREATE INDEX audit_by_account ON audit (by_account, sequence);

-- One row: where the chain of the audit log begins and ends.
CREATE TABLE audit_head (
    id bigint PRIMARY KEY CHECK (id = 1),
    pruned bigint NOT NULL,
    pruned_hash bytea NOT NULL,
    last bigint NOT NULL,
    last_hash bytea NOT NULL
);

INSERT INTO audit_head VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0, decode(repeat('00', 32), 'hex'));

-- One row: grows with every act that takes access away.
CREATE TABLE access (
    id bigint PRIMARY KEY CHECK (id = 1),
    revision bigint NOT NULL
);

INSERT INTO access VALUES (1, 1);

CREATE TABLE settings (
    name text PRIMARY KEY,
    value text NOT NULL,
    revision bigint NOT NULL,
    changed_at bigint NOT NULL,
    changed_by uuid REFERENCES accounts (id) ON DELETE SET NULL
);

CREATE TABLE tasks (
    id uuid CONSTRAINT tasks_id PRIMARY KEY,
    kind text NOT NULL,
    payload text NOT NULL,
    account uuid REFERENCES accounts (id) ON DELETE CASCADE,
    priority bigint NOT NULL,
    run_at bigint NOT NULL,
    state text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'dead', 'cancelled')),
    attempts bigint NOT NULL DEFAULT 0,
    max_attempts bigint NOT NULL,
    -- How many attempts a person's retry adds: what max_attempts began with.
    tries bigint NOT NULL,
    idempotency_key text,
    worker text,
    leased_until bigint,
    is_cancel_requested boolean NOT NULL DEFAULT false,
    last_error text,
    created_at bigint NOT NULL,
    finished_at bigint,
    UNIQUE (kind, idempotency_key)
);

CREATE INDEX tasks_waiting ON tasks (priority DESC, run_at, id) WHERE state = 'waiting';
CREATE INDEX tasks_running ON tasks (leased_until) WHERE state = 'running';
CREATE INDEX tasks_in_order ON tasks (created_at, id);
CREATE INDEX tasks_of_account ON tasks (account);

CREATE TABLE schedules (
    name text PRIMARY KEY,
    pattern text NOT NULL,
    time_zone text NOT NULL,
    kind text NOT NULL,
    payload text NOT NULL,
    next_run_at bigint NOT NULL
);

-- Whose rows exist in this transaction: everybody's when rustygpt.viewer is 'all', else those of
-- the account it names; nobody's when it was not set.
CREATE FUNCTION sees(_owner uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        current_setting('rustygpt.viewer', true) IN ('all', _owner::text), false)
$$;

-- Forced: the owner of the tables, as whom the procedures run, is bound by it too.
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON accounts USING (sees(id));

ALTER TABLE identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE identities FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON identities USING (sees(account));

ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON sessions USING (sees(account));

ALTER TABLE refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE refresh_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON refresh_tokens
    USING (EXISTS (SELECT 1 FROM sessions s WHERE s.id = session AND sees(s.account)));

ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON api_keys USING (sees(account));

ALTER TABLE codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE codes FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON codes USING (sees(account));

ALTER TABLE quotas ENABLE ROW LEVEL SECURITY;
ALTER TABLE quotas FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON quotas USING (
    sees(holder) OR EXISTS (SELECT 1 FROM api_keys k WHERE k.id = holder AND sees(k.account)));

ALTER TABLE usage_days ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_days FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON usage_days USING (sees(account));

ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON audit USING (sees(by_account));

ALTER TABLE tasks ENABLE ROW LEVEL SECURITY;
ALTER TABLE tasks FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON tasks USING (sees(account));
