-- Times are milliseconds since 1970 (UTC), ids are the 16 bytes of a UUID, digests SHA-256.

CREATE TABLE accounts (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email TEXT NOT NULL UNIQUE,
    is_email_verified INTEGER NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('read_only', 'user', 'admin')),
    state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    password_hash TEXT,
    totp_sealed BLOB,
    -- The last time step whose code was used; it and those before it open no more.
    totp_step INTEGER,
    failure_count INTEGER NOT NULL DEFAULT 0,
    failures_since INTEGER,
    locked_until INTEGER,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX accounts_in_order ON accounts (created_at, id);

CREATE TABLE identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    account BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    email TEXT,
    linked_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_of_account ON identities (account);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    refreshed_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_account ON sessions (account);

CREATE TABLE refresh_tokens (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    session BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    spent_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session);

CREATE TABLE api_keys (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    account BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    hint TEXT NOT NULL,
    -- Words between spaces.
    scopes TEXT NOT NULL,
    expires_at INTEGER,
    requests_per_minute INTEGER,
    quota_tokens INTEGER,
    quota_period TEXT CHECK (quota_period IN ('day', 'month')),
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_of_account ON api_keys (account);

-- A spent code is a deleted row.
CREATE TABLE codes (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    purpose TEXT NOT NULL,
    account BLOB REFERENCES accounts (id) ON DELETE CASCADE,
    payload BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX codes_of_account ON codes (account, purpose);

CREATE TABLE quotas (
    holder_kind TEXT NOT NULL CHECK (holder_kind IN ('key', 'account')),
    holder BLOB NOT NULL,
    period TEXT NOT NULL CHECK (period IN ('day', 'month')),
    period_start INTEGER NOT NULL,
    spent INTEGER NOT NULL CHECK (spent >= 0),
    PRIMARY KEY (holder_kind, holder, period, period_start)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_days (
    day INTEGER NOT NULL,
    account BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The nil id where no key was used.
    key BLOB NOT NULL,
    model TEXT NOT NULL,
    requests INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    PRIMARY KEY (day, account, key, model)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_days_of_account ON usage_days (account, day);

-- No reference to accounts: the log outlives them.
CREATE TABLE audit (
    sequence INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    principal TEXT NOT NULL CHECK (principal IN ('server', 'account', 'admin')),
    by_account BLOB,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    request TEXT NOT NULL,
    address TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE INDEX audit_by_account ON audit (by_account, sequence);

-- One row: where the chain of the audit log begins and ends.
CREATE TABLE audit_head (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    pruned INTEGER NOT NULL,
    pruned_hash BLOB NOT NULL,
    last INTEGER NOT NULL,
    last_hash BLOB NOT NULL
) STRICT;

INSERT INTO audit_head VALUES (1, 0, zeroblob(32), 0, zeroblob(32));

-- One row: grows with every act that takes access away.
CREATE TABLE access (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL
) STRICT;

INSERT INTO access VALUES (1, 1);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    revision INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    changed_by BLOB REFERENCES accounts (id) ON DELETE SET NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    account BLOB REFERENCES accounts (id) ON DELETE CASCADE,
    priority INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'done', 'dead', 'cancelled')),
    attempts INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    -- How many attempts a person's retry adds: what max_attempts began with.
    tries INTEGER NOT NULL,
    idempotency_key TEXT,
    worker TEXT,
    leased_until INTEGER,
    is_cancel_requested INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    finished_at INTEGER,
    UNIQUE (kind, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX tasks_waiting ON tasks (priority DESC, run_at, id) WHERE state = 'waiting';
CREATE INDEX tasks_running ON tasks (leased_until) WHERE state = 'running';
CREATE INDEX tasks_in_order ON tasks (created_at, id);
CREATE INDEX tasks_of_account ON tasks (account);

CREATE TABLE schedules (
    name TEXT NOT NULL PRIMARY KEY,
    pattern TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    next_run_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
