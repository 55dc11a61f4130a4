use secrecy::SecretString;
use tollgate_sql::{Database, SqlError};

use crate::{on_both, server::Server, sqlite};

on_both! {
    replicas_that_start_at_once_set_the_tables_up_together
}

async fn replicas_that_start_at_once_set_the_tables_up_together(url: SecretString) {
    let opened = (0..6).map(|_| Database::open(&url));

    let opened = futures_util::future::join_all(opened).await;

    for database in opened {
        database.unwrap().close().await;
    }
}

#[tokio::test]
async fn a_database_of_a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let url = sqlite(dir.path());
    Database::open(&url).await.unwrap().close().await;
    let path = dir.path().join("data/tollgate.db");
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    let later = "INSERT INTO tollgate_migration (number, run_at) VALUES (1000, 0)";
    sqlx::query(later).execute(&pool).await.unwrap();
    pool.close().await;

    let opened = Database::open(&url).await;

    assert!(matches!(opened, Err(SqlError::Newer)));
}

#[tokio::test]
async fn neither_an_error_nor_debug_shows_the_password_or_the_address() {
    let mut shown = Vec::new();
    for url in [
        "postgres://someone:canary-secret@127.0.0.1:1/canary-name",
        "postgres://someone:canary-secret@[::1/canary-name",
        "mysql://someone:canary-secret@canary-name",
        "canary-secret",
        "sqlite://",
    ] {
        let error = Database::open(&url.into()).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }
    if let Some(server) = Server::shared() {
        let database = Database::open(&server.database("canary-name"))
            .await
            .unwrap();
        shown.push(format!("{database:?}"));
        let error = Database::open(&server.url("canary-absent"))
            .await
            .unwrap_err();
        shown.push(format!("{error} {error:?}"));
    }

    for shown in shown {
        assert!(!shown.contains("canary-secret"), "{shown}");
        assert!(!shown.contains("canary-name"), "{shown}");
    }
}

#[tokio::test]
async fn nobody_else_can_read_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&sqlite(dir.path())).await.unwrap();

    for entry in std::fs::read_dir(dir.path().join("data")).unwrap() {
        let entry = entry.unwrap();
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&entry.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
    }
    database.close().await;
}
