//! The connection to the database, encrypted and checked, against a MariaDB with a certificate of the
//! test's own.

use crate::helpers::open;
use crate::helpers::{Take as _, ask, new};
use crate::support::database::connect;
use crate::support::flavour::Flavour;
use crate::support::own_database::OwnDatabase;
use id_alloc::config::{Config, Database};
use id_alloc::storage::sql::SqlStore;
use id_alloc::storage::{StoreError, TagAdministration as _, Unusable};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Writes `NAME.pem`, the certificate of a new authority, and returns what signs for it.
fn authority(folder: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    Issuer::new(params, key)
}

/// A server whose certificate is good for 127.0.0.1 alone, and which refuses whatever is not encrypted.
async fn encrypted_server(folder: &Path) -> OwnDatabase {
    let issuer = authority(folder, "right");
    authority(folder, "wrong");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    let folder = folder.display();
    OwnDatabase::start(
        Flavour::MariaDb,
        &[
            &format!("--ssl-ca={folder}/right.pem"),
            &format!("--ssl-cert={folder}/server.pem"),
            &format!("--ssl-key={folder}/server.key"),
            "--require-secure-transport=ON",
        ],
    )
    .await
}

fn store(url: String) -> SqlStore {
    open(Database {
        url: url.parse().unwrap(),
        max_connections: 2,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
        ..Config::default().database
    })
}

async fn cipher(connection: &DatabaseConnection) -> String {
    let sql = "SHOW STATUS LIKE 'Ssl_cipher'";
    let row = connection
        .query_one_raw(Statement::from_string(DbBackend::MySql, sql))
        .await
        .unwrap()
        .unwrap();
    row.try_get_by_index(1).unwrap()
}

#[tokio::test]
#[ignore = "needs MariaDB"]
async fn a_checked_and_encrypted_connection_claims_and_an_unchecked_one_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let server = encrypted_server(folder.path()).await;
    let url = |host: &str, database: &str, mode: &str, authority: &str| {
        let base = server.url().replace("127.0.0.1", host);
        let file = folder.path().join(format!("{authority}.pem"));
        format!(
            "{base}/{database}?ssl-mode={mode}&ssl-ca={}",
            file.display()
        )
    };

    let root = connect(&url("127.0.0.1", "mysql", "VERIFY_IDENTITY", "right")).await;
    let cipher = cipher(&root).await;
    assert!(
        cipher.starts_with("TLS_") || cipher.contains("GCM"),
        "{cipher:?}"
    );
    root.execute_unprepared("CREATE DATABASE ids")
        .await
        .unwrap();

    let good = store(url("127.0.0.1", "ids", "VERIFY_IDENTITY", "right"));
    good.migrate_up().await.unwrap();
    good.create(&new("test", 0, 100)).await.unwrap();
    assert_eq!(good.take(&ask("test")).await.unwrap().max_id, 100);
    // The certificate does not say this name, which matters to VERIFY_IDENTITY alone.
    let other_name = store(url("localhost", "ids", "VERIFY_CA", "right"));
    assert_eq!(other_name.take(&ask("test")).await.unwrap().max_id, 200);

    for (host, mode, authority) in [
        ("127.0.0.1", "VERIFY_IDENTITY", "wrong"),
        ("127.0.0.1", "VERIFY_CA", "wrong"),
        ("localhost", "VERIFY_IDENTITY", "right"),
    ] {
        let asked = Instant::now();
        let wrong = store(url(host, "ids", mode, authority));
        let refused = wrong.take(&ask("test")).await;
        let took = asked.elapsed();
        let said = format!("{host} {mode} {authority}: {refused:?} after {took:?}");
        let Err(StoreError::Transient(text)) = refused else {
            panic!("{said}");
        };
        assert!(text.contains("certificate"), "{said}");
        // Long before the time for a connection is over: it is not tried again and again.
        assert!(took < Duration::from_secs(5), "{said}");
    }
    // MariaDB calls it a refused password.
    let plain = store(url("127.0.0.1", "ids", "DISABLED", "right"));
    let refused = plain.take(&ask("test")).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Unusable(Unusable::AccessDenied(_)))
        ),
        "{refused:?}"
    );
    assert_eq!(good.take(&ask("test")).await.unwrap().max_id, 300);
}
