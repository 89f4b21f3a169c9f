//! Migrations one at a time: one `BEGIN IMMEDIATE` transaction round the whole.

use crate::storage::StoreError;
use crate::storage::sql::errors::Place;
use crate::storage::sql::migrating;
use sea_orm::{DatabaseConnection, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use std::time::Duration;

pub(super) async fn up(place: &Place, db: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let failed = |error| migrating::failed(&error, place);
    let immediate = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let mut turns = 0;
    let transaction = loop {
        // Turning a new file to WAL does not wait for another who does the same.
        match db.begin_with_options(immediate).await.map_err(failed) {
            Ok(transaction) => break transaction,
            Err(StoreError::Transient(_)) if turns < 50 => turns += 1,
            Err(error) => return Err(error),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let applied = migrating::apply(place, &transaction, &transaction).await;
    let applied = applied.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(applied)
}
