//! Whether the table of a file keeps ids unique.

use crate::storage::sql::SqlStore;
use crate::storage::sql::database::Sql;
use crate::storage::sql::errors::SqlError;
use crate::storage::sql::inspect::Inspection;
use crate::storage::sql::statements::Identity;
use crate::storage::sql::table::{Columns, column};
use crate::storage::{Finding, StoreError, Unusable, Weight};

pub(super) async fn inspect(store: &SqlStore) -> Result<Inspection, SqlError> {
    let (columns, faults) = look(store).await?;
    if let Some(fault) = faults.into_iter().next() {
        let table = &store.settings.table;
        let text = format!("table `{table}`: {}; {}", fault.what, fault.todo);
        return Err(StoreError::from(Unusable::TableMisconfigured(text)).into());
    }
    let primary = Identity::Expression("'sqlite'");
    store.inspection(primary, None, &columns, Vec::new()).await
}

/// Everything about the table that would not keep ids unique.
pub(super) async fn faults(store: &SqlStore) -> Result<Vec<Finding>, SqlError> {
    Ok(look(store).await?.1)
}

async fn look(store: &SqlStore) -> Result<(Columns, Vec<Finding>), SqlError> {
    let table = &store.settings.table;
    store.reach_table().await?;
    let columns = Sql::new("SELECT name, lower(type), CAST(NULL AS TEXT) FROM pragma_table_info(");
    let columns = store.texts(columns.bind(table.as_str()).text(")")).await?;
    let columns: Columns = columns.into_iter().filter_map(column).collect();
    let unique = Sql::new("SELECT l.name FROM pragma_index_list(").bind(table.as_str());
    let unique = unique.text(
        ") AS l, pragma_index_info(l.name) AS i WHERE l.\"unique\" = 1 AND l.partial = 0 \
         GROUP BY l.name HAVING COUNT(*) = 1 AND MAX(i.name = 'biz_tag') = 1",
    );
    let unique = store.texts(unique).await?;
    store.has_columns(&columns)?;
    let kind = Sql::new("SELECT type FROM sqlite_master WHERE lower(name) = lower(");
    let kind = store.texts(kind.bind(table.as_str()).text(")")).await?;
    if kind.iter().flatten().any(|kind| kind == "view") {
        return Ok((columns, vec![Finding::view()]));
    }
    let mut faults = Vec::new();
    for name in ["max_id", "step"] {
        if columns
            .get(name)
            .is_none_or(|column| !column.kind.contains("int"))
        {
            faults.push(Finding::new(
                Weight::Fault,
                format!("{name} is not an integer"),
                "make the table anew with `id-alloc migrate up`",
            ));
        }
    }
    if unique.is_empty() {
        faults.push(Finding::new(
            Weight::Fault,
            "biz_tag is not unique",
            format!("run: CREATE UNIQUE INDEX \"{table}_biz_tag\" ON \"{table}\" (biz_tag);"),
        ));
    }
    Ok((columns, faults))
}
