//! One TiDB: commands, and a fleet while a server and the database are killed.

use crate::commands;
use crate::fleet::{Fleet, TAGS};
use crate::locked;
use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use sea_orm::ConnectionTrait as _;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TiDB"]
async fn every_command_works() {
    let database = OwnDatabase::start(Flavour::TiDb, &[]).await;
    let root = connect(&database.url()).await;
    root.execute_unprepared("CREATE DATABASE ids")
        .await
        .unwrap();
    commands::work_on(&format!("{}/ids", database.url())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TiDB"]
async fn a_fleet_takes_distinct_ids_though_a_server_and_the_database_are_killed() {
    let mut database = OwnDatabase::start(Flavour::TiDb, &[]).await;
    let url = database.holding(&TAGS).await;
    let mut fleet = Fleet::start(&url).await;
    fleet.take(20_000).await;
    fleet.lose_a_server().await;
    fleet.take(20_000).await;
    fleet.may_run_out();
    database.kill9();
    database.restart().await;
    fleet.take(40_000).await;
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TiDB"]
async fn a_row_that_somebody_locks_is_refused_in_time_and_served_once_it_is_free() {
    let database = OwnDatabase::start(Flavour::TiDb, &[]).await;
    let url = database.holding(&[]).await;
    locked::refuses_in_time(&url).await;
}
