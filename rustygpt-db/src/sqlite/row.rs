//! Rows of SQLite to records.

crate::rows::readers!(sqlx::sqlite::SqliteRow);

/// The columns of an account `a`, as `account` reads them.
macro_rules! account_columns {
    () => {
        "a.id AS account_id, a.email, a.is_email_verified, a.name AS account_name, a.role, \
         a.state AS account_state, a.totp_sealed IS NOT NULL AS has_totp, \
         a.password_hash IS NOT NULL AS has_password, a.created_at AS account_created_at"
    };
}

pub(crate) use account_columns;
