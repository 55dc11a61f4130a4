//! A database that cannot be reached when its user starts.

use std::time::Duration;

use secrecy::SecretString;
use tollgate_auth::{GroupKind, GroupRecord, KeyStore};
use tollgate_sql::{Database, SqlError, SqlKeys};

use crate::{server::Server, sqlite};

#[tokio::test]
async fn a_server_that_starts_later_is_set_up_and_used_then() {
    let Some(server) = Server::start() else {
        return;
    };
    let url = server.database("later");
    let dir = server.stop();
    let database = Database::attach(&url).await.unwrap();
    let keys = SqlKeys::new(database.clone());
    let group = GroupRecord::new(GroupKind::Team, "search");

    assert!(!database.is_open());
    let away = keys.put_group(group.clone()).await.unwrap_err();
    let why = std::error::Error::source(&away).unwrap();
    assert!(
        matches!(why.downcast_ref(), Some(SqlError::Away)),
        "{why:?}"
    );

    let _server = Server::serve(dir);
    while !database.is_open() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    keys.put_group(group).await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn what_is_known_to_be_wrong_is_an_error_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("data"), "not a folder").unwrap();
    let mut wrong: Vec<SecretString> = vec![
        sqlite(dir.path()),
        "mysql://here".to_owned().into(),
        "postgres://[::1/x".to_owned().into(),
    ];
    let server = Server::shared();
    if let Some(server) = &server {
        wrong.push(server.url("not-there"));
        let host = server.dir.path().display();
        wrong.push(format!("postgres://nobody@localhost/postgres?host={host}").into());
        let later = server.database("of_a_later_version");
        Database::open(&later).await.unwrap().close().await;
        let number = "INSERT INTO tollgate_migration (number, run_at) VALUES (1000, 0)";
        server.sql("of_a_later_version", number);
        wrong.push(later);
    }

    for (case, url) in wrong.iter().enumerate() {
        assert!(Database::attach(url).await.is_err(), "{case}");
    }
}

#[tokio::test]
async fn a_server_that_is_there_is_used_at_once() {
    let Some(server) = Server::shared() else {
        return;
    };

    let database = Database::attach(&server.database("at_once")).await.unwrap();

    assert!(database.is_open());
    SqlKeys::new(database.clone())
        .changes_since(0)
        .await
        .unwrap();
    database.close().await;
}
