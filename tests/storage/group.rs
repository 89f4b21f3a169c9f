//! A member of a group of MySQL servers (group replication) that has left it and takes writes all the same.

use crate::helpers::{Take as _, ask, new, open};
use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use crate::support::ports::reserved_port;
use crate::support::{PATIENCE, eventually};
use id_alloc::config::{Config, Database};
use id_alloc::storage::{SegmentStore as _, StoreError, TagAdministration as _};
use sea_orm::ConnectionTrait as _;

mod on_mysql {
    use super::*;

    /// It begins a group of its own.
    const BEGIN: [&str; 3] = [
        "SET GLOBAL group_replication_bootstrap_group = ON",
        "START GROUP_REPLICATION",
        "SET GLOBAL group_replication_bootstrap_group = OFF",
    ];
    /// Leaving makes it read-only, which somebody undoes.
    const LEAVE: [&str; 3] = [
        "STOP GROUP_REPLICATION",
        "SET GLOBAL super_read_only = 0",
        "SET GLOBAL read_only = 0",
    ];

    #[tokio::test]
    #[ignore = "needs MySQL"]
    async fn a_member_that_has_left_its_group_is_not_claimed_from_though_it_takes_writes() {
        let own = format!(
            "--group-replication-local-address=127.0.0.1:{}",
            reserved_port()
        );
        let group = "--group-replication-group-name=5ca1ab1e-0000-4000-8000-00000000feed";
        let database = OwnDatabase::start(
            Flavour::MySql,
            &[
                "--log-bin=binlog",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
                "--server-id=1",
                "--plugin-load-add=group_replication.so",
                "--group-replication-start-on-boot=OFF",
                group,
                &own,
            ],
        )
        .await;
        let root = connect(&database.url()).await;
        let run = async |statements: &[&str]| {
            for sql in statements {
                root.execute_unprepared(sql).await.expect(sql);
            }
        };
        run(&BEGIN).await;
        eventually("it takes writes", PATIENCE, async || {
            root.execute_unprepared("CREATE DATABASE ids").await.ok()
        })
        .await;
        run(&["CREATE USER weak@'127.0.0.1'"]).await;
        run(&["GRANT ALL ON ids.* TO weak@'127.0.0.1'"]).await;
        let as_user = |user: &str| {
            open(Database {
                url: format!("mysql://{user}@{}/ids", database.address())
                    .parse()
                    .unwrap(),
                ..Config::default().database
            })
        };
        let store = as_user("root");
        store.migrate_up().await.unwrap();
        store.create(&new("test", 0, 100)).await.unwrap();
        let first = store.take(&ask("test")).await.unwrap();
        assert_eq!(store.check().await.unwrap().warnings, Vec::<String>::new());

        run(&LEAVE).await;
        let refused = store.check().await.unwrap_err();
        assert!(
            refused.to_string().contains("has left its group (OFFLINE)"),
            "{refused}"
        );
        for store in [&store, &as_user("root")] {
            let refused = store.take(&ask("test")).await;
            assert!(
                matches!(refused, Err(StoreError::ReadOnly(_))),
                "{refused:?}"
            );
        }
        // Who may not see it is told so.
        let said = as_user("weak").check().await.unwrap().warnings;
        let right = "GRANT SELECT ON performance_schema.replication_group_members";
        assert!(said.iter().any(|text| text.contains(right)), "{said:?}");

        run(&BEGIN).await;
        // It is the primary again, and has lost nothing.
        let next = eventually("claims", PATIENCE, async || {
            store.take(&ask("test")).await.ok()
        });
        assert_eq!(next.await.range.first(), first.max_id);
    }
}
