//! Rows of PostgreSQL to records.

crate::rows::readers!(sqlx::postgres::PgRow);

/// The value of one column of a row that must be there.
pub(super) fn value<'r, T>(row: Option<&'r sqlx::postgres::PgRow>, column: usize) -> StoreResult<T>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let row = row.ok_or_else(|| missing("a row"))?;
    Ok(row.try_get(column)?)
}

/// Reads the row that a procedure promises.
pub(super) fn one<T>(
    rows: &[sqlx::postgres::PgRow],
    read: fn(&sqlx::postgres::PgRow) -> StoreResult<T>,
) -> StoreResult<T> {
    read(rows.first().ok_or_else(|| missing("a row"))?)
}

fn missing(what: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("{what} that a procedure promises"),
        cause: None,
    }
}
