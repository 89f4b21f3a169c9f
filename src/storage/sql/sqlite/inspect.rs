//! Whether the table of a file keeps ids unique.

use super::WORDS;
use crate::storage::sql::columns::{Columns, column, has_columns};
use crate::storage::sql::database::{Catalogue, Found};
use crate::storage::sql::dialect::{Identity, Sql};
use crate::storage::sql::errors::SqlError;
use crate::storage::{Finding, Weight};

pub(super) async fn look(catalogue: &dyn Catalogue) -> Result<Found, SqlError> {
    let (columns, findings) = table(catalogue).await?;
    Ok(Found {
        product: String::new(),
        columns,
        findings,
        primary: Identity::Expression("'sqlite'"),
        refusal: None,
        has_triggers: false,
        warnings: Vec::new(),
    })
}

/// The columns of the table, and everything about it that would not keep ids unique.
async fn table(catalogue: &dyn Catalogue) -> Result<(Columns, Vec<Finding>), SqlError> {
    let table = catalogue.table();
    catalogue.reach_table().await?;
    let columns = Sql::new("SELECT name, lower(type), CAST(NULL AS TEXT) FROM pragma_table_info(");
    let columns = catalogue.texts(columns.bind(table).text(")")).await?;
    let columns: Columns = columns.into_iter().filter_map(column).collect();
    let unique = Sql::new("SELECT l.name FROM pragma_index_list(").bind(table);
    let unique = unique.text(
        ") AS l, pragma_index_info(l.name) AS i WHERE l.\"unique\" = 1 AND l.partial = 0 \
         GROUP BY l.name HAVING COUNT(*) = 1 AND MAX(i.name = 'biz_tag') = 1",
    );
    let unique = catalogue.texts(unique).await?;
    has_columns(table, &columns, &WORDS)?;
    let kind = Sql::new("SELECT type FROM sqlite_master WHERE lower(name) = lower(");
    let kind = catalogue.texts(kind.bind(table).text(")")).await?;
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
            format!("CREATE UNIQUE INDEX \"{table}_biz_tag\" ON \"{table}\" (biz_tag);"),
        ));
    }
    Ok((columns, faults))
}
