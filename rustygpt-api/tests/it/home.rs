//! Where a test's accounts are kept.

use rustygpt_db::postgres::PostgresStore;
use rustygpt_db::sqlite::SqliteStore;
use rustygpt_db::testing;
use rustygpt_orchestrator::accounts::Store;
use std::sync::Arc;
use tempfile::TempDir;

/// A store of a test's own.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// A file in a folder that is made for it.
    Sqlite,
    /// A database, by its URL.
    Postgres(String),
}

impl Home {
    /// A database on the PostgreSQL of this process; `None` where there is none.
    pub(crate) async fn postgres() -> Option<Self> {
        testing::database(true).await.map(Self::Postgres)
    }

    /// The store, and the folder it may lie in.
    pub(crate) async fn open(&self) -> (Arc<dyn Store>, Option<TempDir>) {
        match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("rustygpt.db");
                (
                    Arc::new(SqliteStore::open(&path).await.unwrap()),
                    Some(folder),
                )
            }
            Self::Postgres(url) => (Arc::new(PostgresStore::open(url).await.unwrap()), None),
        }
    }
}

/// Makes two tests of each journey, `async fn journey(home: Home)`: one on each home.
macro_rules! on_both_homes {
    ($($journey:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $journey() {
                    super::$journey(crate::home::Home::Sqlite).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $journey() {
                    if let Some(home) = crate::home::Home::postgres().await {
                        super::$journey(home).await;
                    }
                }
            )*
        }
    };
}

pub(crate) use on_both_homes;
