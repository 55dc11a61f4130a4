use tollgate_quota::bank::{Asker, Authority};
use tollgate_sql::{Database, SqlAuthority};

use crate::{
    authority::{amount, grant, open},
    restored::is_closed,
    server::Server,
};

#[tokio::test]
async fn a_standby_that_took_over_is_an_old_memory_unless_it_is_promised_otherwise() {
    let Some(primary) = Server::start() else {
        return;
    };
    let url = primary.database("budgets");
    let before = open(&url).await;
    before.ask(grant(Asker(7), 1, 5, 5)).await.unwrap();
    let standbys = [primary.standby(), primary.standby()];
    drop(primary);

    let [doubted, promised] = standbys.each_ref().map(|standby| {
        standby.promote();
        standby.url("budgets")
    });
    let doubted = open(&doubted).await;
    let promised = open(&promised).await.promotion_is_synchronous();

    is_closed(doubted.ask(grant(Asker(8), 1, 5, 5)).await);
    is_closed(doubted.ask(grant(Asker(8), 1, 5, 5)).await);
    assert!(doubted.restate("account", 100).await.unwrap());
    doubted.ask(grant(Asker(8), 1, 5, 5)).await.unwrap();
    assert_eq!(
        doubted.statement("", None, 9).await.unwrap()[0].granted,
        105
    );
    promised.ask(grant(Asker(7), 2, 5, 5)).await.unwrap();
    assert_eq!(
        promised.statement("", None, 9).await.unwrap()[0].granted,
        10
    );
}

#[tokio::test]
async fn a_copy_within_the_cluster_is_an_old_memory() {
    let Some(server) = Server::shared() else {
        return;
    };
    let database = Database::open(&server.database("copied")).await.unwrap();
    let authority = SqlAuthority::new(database.clone());
    authority.ask(grant(Asker(7), 1, 5, 5)).await.unwrap();
    database.close().await;
    server.sql("postgres", "CREATE DATABASE copy TEMPLATE copied");

    let copy = open(&server.url("copy")).await;

    is_closed(copy.ask(grant(Asker(8), 1, 5, 5)).await);
}

#[tokio::test]
async fn an_ordinary_user_is_enough() {
    let Some(server) = Server::shared() else {
        return;
    };
    server.sql("postgres", "CREATE ROLE plain LOGIN");
    server.sql("postgres", "CREATE DATABASE plain OWNER plain");
    let host = server.dir.path().display();
    let url = format!("postgres://plain@localhost/plain?host={host}").into();

    let authority = SqlAuthority::new(Database::open(&url).await.unwrap());

    assert_eq!(
        amount(&authority.ask(grant(Asker(7), 1, 5, 5)).await.unwrap()),
        5
    );
}
