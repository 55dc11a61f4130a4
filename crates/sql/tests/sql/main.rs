//! The stores, on a file of SQLite and on a Postgres of the tests' own.

mod attached;
mod authority;
mod crashed;
mod database;
mod failover;
mod keys;
mod killed;
mod restored;
mod server;
mod usage;

use std::path::Path;

use secrecy::SecretString;

/// Makes two tests of an `async fn(url: SecretString)`, one for each database.
macro_rules! on_both {
    ($($claim:ident)*) => {
        $(mod $claim {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                let dir = tempfile::tempdir().unwrap();
                super::$claim(crate::sqlite(dir.path())).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                let Some(server) = crate::server::Server::shared() else { return };
                super::$claim(server.database(concat!(module_path!(), stringify!($claim)))).await;
            }
        })*
    };
}
pub(crate) use on_both;

fn sqlite(dir: &Path) -> SecretString {
    format!("sqlite://{}/data/tollgate.db", dir.display()).into()
}
