//! Rows to records, for both homes: the columns have the same names and meanings in each.

/// Defines, for one home's row type, a function per record.
macro_rules! readers {
    ($row:ty) => {
        use crate::store::{
            Account, AccountId, ApiKey, ApiKeyHolder, ApiKeyId, AuditEntry, AuditHead, Credentials,
            Digest, Identity, Quota, QuotaPeriod, Role, Schedule, Session, SessionId, Setting,
            SignInFailures, SpentCode, StoreError, StoreResult, Task, TaskCounts, TaskId,
            TaskState, Timestamp, UsageDay,
        };
        use crate::words::{self, Word};
        use sqlx::Row;
        use uuid::Uuid;

        /// A column's value.
        fn get<'r, T>(row: &'r $row, column: &str) -> StoreResult<T>
        where
            T: sqlx::Decode<'r, <$row as Row>::Database> + sqlx::Type<<$row as Row>::Database>,
        {
            row.try_get(column).map_err(|error| StoreError::Corrupt {
                what: format!("column {column}"),
                cause: Some(Box::new(error)),
            })
        }

        /// The word of a column.
        fn word<T: Word>(row: &$row, column: &str) -> StoreResult<T> {
            T::parse(get(row, column)?)
        }

        fn time(row: &$row, column: &str) -> StoreResult<Timestamp> {
            get(row, column).map(Timestamp)
        }

        fn optional_time(row: &$row, column: &str) -> StoreResult<Option<Timestamp>> {
            Ok(get::<Option<i64>>(row, column)?.map(Timestamp))
        }

        fn out_of_range(column: &str) -> StoreError {
            StoreError::Corrupt {
                what: format!("a number out of range in column {column}"),
                cause: None,
            }
        }

        pub(crate) fn count(row: &$row, column: &str) -> StoreResult<u64> {
            u64::try_from(get::<i64>(row, column)?).map_err(|_| out_of_range(column))
        }

        fn small_count(row: &$row, column: &str) -> StoreResult<u32> {
            u32::try_from(get::<i64>(row, column)?).map_err(|_| out_of_range(column))
        }

        fn bytes32(row: &$row, column: &str) -> StoreResult<[u8; 32]> {
            let bytes: Vec<u8> = get(row, column)?;
            bytes.try_into().map_err(|_| StoreError::Corrupt {
                what: format!("a hash of the wrong length in column {column}"),
                cause: None,
            })
        }

        pub(crate) fn account(row: &$row) -> StoreResult<Account> {
            Ok(Account {
                id: AccountId(get(row, "account_id")?),
                email: get(row, "email")?,
                is_email_verified: get(row, "is_email_verified")?,
                name: get(row, "account_name")?,
                role: word::<Role>(row, "role")?,
                state: word(row, "account_state")?,
                has_totp: get(row, "has_totp")?,
                has_password: get(row, "has_password")?,
                created_at: time(row, "account_created_at")?,
            })
        }

        pub(crate) fn failures(row: &$row) -> StoreResult<SignInFailures> {
            Ok(SignInFailures {
                count: small_count(row, "failure_count")?,
                locked_until: optional_time(row, "locked_until")?,
            })
        }

        pub(crate) fn credentials(row: &$row) -> StoreResult<Credentials> {
            Ok(Credentials {
                account: account(row)?,
                password_hash: get(row, "password_hash")?,
                totp_sealed: get(row, "totp_sealed")?,
                failures: failures(row)?,
            })
        }

        pub(crate) fn identity(row: &$row) -> StoreResult<Identity> {
            Ok(Identity {
                issuer: get(row, "issuer")?,
                subject: get(row, "subject")?,
                account: AccountId(get(row, "account")?),
                email: get(row, "email")?,
                linked_at: time(row, "linked_at")?,
            })
        }

        pub(crate) fn session(row: &$row) -> StoreResult<Session> {
            Ok(Session {
                id: SessionId(get(row, "id")?),
                account: AccountId(get(row, "account")?),
                address: get(row, "address")?,
                user_agent: get(row, "user_agent")?,
                created_at: time(row, "created_at")?,
                refreshed_at: time(row, "refreshed_at")?,
                expires_at: time(row, "expires_at")?,
            })
        }

        pub(crate) fn api_key(row: &$row) -> StoreResult<ApiKey> {
            let tokens: Option<i64> = get(row, "quota_tokens")?;
            let period: Option<&str> = get(row, "quota_period")?;
            let quota = match (tokens, period) {
                (Some(tokens), Some(period)) => Some(Quota {
                    tokens: u64::try_from(tokens).map_err(|_| out_of_range("quota_tokens"))?,
                    period: QuotaPeriod::parse(period)?,
                }),
                _ => None,
            };
            let rate: Option<i64> = get(row, "requests_per_minute")?;
            Ok(ApiKey {
                id: ApiKeyId(get(row, "id")?),
                account: AccountId(get(row, "account")?),
                name: get(row, "name")?,
                hint: get(row, "hint")?,
                scopes: words::scopes(get(row, "scopes")?)?,
                expires_at: optional_time(row, "expires_at")?,
                requests_per_minute: rate
                    .map(u32::try_from)
                    .transpose()
                    .map_err(|_| out_of_range("requests_per_minute"))?,
                quota,
                created_at: time(row, "created_at")?,
                last_used_at: optional_time(row, "last_used_at")?,
                revoked_at: optional_time(row, "revoked_at")?,
            })
        }

        pub(crate) fn api_key_holder(row: &$row) -> StoreResult<ApiKeyHolder> {
            Ok(ApiKeyHolder {
                key: api_key(row)?,
                digest: Digest(bytes32(row, "digest")?),
                account: account(row)?,
            })
        }

        pub(crate) fn spent_code(row: &$row) -> StoreResult<SpentCode> {
            Ok(SpentCode {
                account: get::<Option<Uuid>>(row, "account")?.map(AccountId),
                payload: get(row, "payload")?,
            })
        }

        pub(crate) fn usage_day(row: &$row) -> StoreResult<UsageDay> {
            // No key is the nil id: a column of a primary key cannot be NULL.
            let key: Uuid = get(row, "key")?;
            Ok(UsageDay {
                day: time(row, "day")?,
                account: AccountId(get(row, "account")?),
                key: (!key.is_nil()).then_some(ApiKeyId(key)),
                model: get(row, "model")?,
                requests: count(row, "requests")?,
                prompt_tokens: count(row, "prompt_tokens")?,
                cached_tokens: count(row, "cached_tokens")?,
                completion_tokens: count(row, "completion_tokens")?,
            })
        }

        pub(crate) fn audit_entry(row: &$row) -> StoreResult<AuditEntry> {
            Ok(AuditEntry {
                sequence: get(row, "sequence")?,
                at: time(row, "at")?,
                by: words::principal(get(row, "principal")?, get(row, "by_account")?)?,
                action: get(row, "action")?,
                object: get(row, "object")?,
                outcome: word(row, "outcome")?,
                request: get(row, "request")?,
                address: get(row, "address")?,
                detail: get(row, "detail")?,
                previous: bytes32(row, "previous")?,
                hash: bytes32(row, "hash")?,
            })
        }

        pub(crate) fn audit_head(row: &$row) -> StoreResult<AuditHead> {
            Ok(AuditHead {
                pruned: get(row, "pruned")?,
                pruned_hash: bytes32(row, "pruned_hash")?,
                last: get(row, "last")?,
                last_hash: bytes32(row, "last_hash")?,
            })
        }

        pub(crate) fn setting(row: &$row) -> StoreResult<Setting> {
            Ok(Setting {
                name: get(row, "name")?,
                value: get(row, "value")?,
                revision: get(row, "revision")?,
                changed_at: time(row, "changed_at")?,
                changed_by: get::<Option<Uuid>>(row, "changed_by")?.map(AccountId),
            })
        }

        pub(crate) fn task(row: &$row) -> StoreResult<Task> {
            Ok(Task {
                id: TaskId(get(row, "id")?),
                kind: get(row, "kind")?,
                payload: get(row, "payload")?,
                account: get::<Option<Uuid>>(row, "account")?.map(AccountId),
                priority: i32::try_from(get::<i64>(row, "priority")?)
                    .map_err(|_| out_of_range("priority"))?,
                run_at: time(row, "run_at")?,
                state: word::<TaskState>(row, "state")?,
                attempts: small_count(row, "attempts")?,
                max_attempts: small_count(row, "max_attempts")?,
                idempotency_key: get(row, "idempotency_key")?,
                worker: get(row, "worker")?,
                leased_until: optional_time(row, "leased_until")?,
                is_cancel_requested: get(row, "is_cancel_requested")?,
                last_error: get(row, "last_error")?,
                created_at: time(row, "created_at")?,
                finished_at: optional_time(row, "finished_at")?,
            })
        }

        pub(crate) fn task_counts(row: &$row) -> StoreResult<TaskCounts> {
            Ok(TaskCounts {
                waiting: count(row, "waiting")?,
                running: count(row, "running")?,
                dead: count(row, "dead")?,
            })
        }

        pub(crate) fn schedule(row: &$row) -> StoreResult<Schedule> {
            Ok(Schedule {
                name: get(row, "name")?,
                pattern: get(row, "pattern")?,
                time_zone: get(row, "time_zone")?,
                kind: get(row, "kind")?,
                payload: get(row, "payload")?,
                next_run_at: time(row, "next_run_at")?,
            })
        }

        /// Applies a reader to a row that may be missing.
        pub(crate) fn optional<T>(
            row: Option<&$row>,
            read: fn(&$row) -> StoreResult<T>,
        ) -> StoreResult<Option<T>> {
            row.map(read).transpose()
        }

        /// Applies a reader to every row.
        pub(crate) fn all<T>(
            rows: &[$row],
            read: fn(&$row) -> StoreResult<T>,
        ) -> StoreResult<Vec<T>> {
            rows.iter().map(read).collect()
        }
    };
}

pub(crate) use readers;
