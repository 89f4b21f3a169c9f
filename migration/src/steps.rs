//! What each migration adds.
//!
//! Safe to run again after one stopped half-way: MySQL commits each DDL statement by itself, so every
//! step looks first at what is there. Times are microseconds since 1970.

use crate::schema::Schema;
use sea_orm_migration::prelude::*;

const NUMBER: &str = "bigint NOT NULL DEFAULT 0";
const NAME: &str = "varchar(255) NOT NULL DEFAULT ''";

/// The segments table where there is none; in an older one, as go-id-alloc's, the columns of the guard.
pub(crate) async fn segments(schema: &Schema<'_>) -> Result<(), DbErr> {
    let touched = schema.word(" ON UPDATE CURRENT_TIMESTAMP", "");
    let columns = format!(
        "biz_tag varchar(32) NOT NULL PRIMARY KEY, max_id bigint NOT NULL, step bigint NOT NULL, \
         description varchar(1024) DEFAULT '' NOT NULL, \
         update_time datetime DEFAULT CURRENT_TIMESTAMP{touched}"
    );
    schema.make_table("", &columns).await?;
    let guard = [
        ("claimed_to", NUMBER, "end of the newest claim"),
        ("claimed_on", NAME, "identity of the primary it was made on"),
        (
            "claimed_size",
            NUMBER,
            "how large claims are about to become",
        ),
        (
            "retired_at",
            "datetime NULL DEFAULT NULL",
            "set: the tag is deleted",
        ),
    ];
    schema.add_columns("", &guard).await
}

/// Counts, per tag, how often the guard has moved or raised the row, for those who look after it.
pub(crate) async fn moves(schema: &Schema<'_>) -> Result<(), DbErr> {
    let comment = "how often the guard moved or raised the row";
    schema.add_columns("", &[("moves", NUMBER, comment)]).await
}

/// Says per tag how much may be claimed and to which history the row belongs, and beside the table, in a row
/// of its own, when and where a server of id-alloc ran last.
///
/// Old rows start with the defaults: their first claim writes an allowance, and a server of an earlier version
/// ignores all of it.
pub(crate) async fn allowance(schema: &Schema<'_>) -> Result<(), DbErr> {
    let columns = [
        ("allowance", "ids that may be claimed in ten seconds"),
        (
            "allowance_before",
            "what it was before; the smaller counts for 20 seconds",
        ),
        ("allowance_at", "when the allowance was written"),
        ("needed_at", "when a claim needed the allowance last"),
        ("paid_until", "up to when what was claimed is paid for"),
        ("lineage", "history in which the newest claim was made"),
        ("advance_to", "where an announced advance takes max_id"),
        ("advance_at", "when it was announced"),
    ];
    let columns = columns.map(|(name, comment)| (name, NUMBER, comment));
    schema.add_columns("", &columns).await?;

    let columns = "id int NOT NULL PRIMARY KEY, beat bigint NOT NULL, identity varchar(255) NOT NULL, \
                   lineage bigint NOT NULL";
    schema.make_table("heartbeat", columns).await?;
    let name = schema.name("heartbeat");
    let row = format!(
        "INSERT {} INTO {} (id, beat, identity, lineage) VALUES (1, 0, '', 0)",
        schema.word("IGNORE", "OR IGNORE"),
        schema.quoted(&name)
    );
    match schema.run(&row).await {
        Err(error) if is_sharded(&error.to_string(), &name) => Ok(()),
        made => made,
    }
}

/// Whether a sharded keyspace of Vitess takes no row of the heartbeat's table, which was just made: its VSchema does not name
/// it, since that row belongs to no shard of the tags. Servers go without, and say so.
fn is_sharded(error: &str, heartbeat: &str) -> bool {
    error.contains(&format!("table {heartbeat} not found"))
        || error.contains(&format!(
            "table '{heartbeat}' does not have a primary vindex"
        ))
}

/// Gives a tag an end of its own: `id_limit`, 0 where it has none.
///
/// Only servers that know the column heed it. A server of an earlier version, or go-id-alloc, claims beyond it; those
/// that know it then give nothing more. No claim writes the column, so its index costs claims nothing; it is there to
/// find the few tags that have a limit without reading all rows.
pub(crate) async fn id_limit(schema: &Schema<'_>) -> Result<(), DbErr> {
    let comment = "no id reaches it; 0: none of its own";
    let column = [("id_limit", NUMBER, comment)];
    schema.add_columns("", &column).await?;
    // A statement of its own: together with the column, MySQL would build the table anew.
    schema.make_index("", "id_limit", "id_limit").await
}

/// What servers write beside the table for those who look after them: which servers there are, whose memory is to
/// be dropped, and, where `database.claim_records` asks for it, which server claimed which ids when.
///
/// Nothing here keeps ids unique. A server of an earlier version knows none of it and does not need to.
pub(crate) async fn records(schema: &Schema<'_>) -> Result<(), DbErr> {
    let servers = "id varchar(36) NOT NULL PRIMARY KEY, name varchar(255) NOT NULL, version varchar(64) NOT NULL, \
                   started bigint NOT NULL, seen bigint NOT NULL, dropped bigint NOT NULL DEFAULT 0";
    schema.make_table("servers", servers).await?;
    let counted = schema.word(
        "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY",
        "integer NOT NULL PRIMARY KEY AUTOINCREMENT",
    );
    let drops = format!("id {counted}, biz_tag varchar(128) NOT NULL, asked bigint NOT NULL");
    schema.make_table("drops", &drops).await?;
    let claims = format!(
        "id {counted}, biz_tag varchar(128) NOT NULL, first_id bigint NOT NULL, end_id bigint NOT NULL, \
         claimed_at bigint NOT NULL, server varchar(36) NOT NULL, name varchar(255) NOT NULL, \
         version varchar(64) NOT NULL"
    );
    schema.make_table("claims", &claims).await?;
    schema
        .make_index("claims", "tag", "biz_tag, end_id")
        .await?;
    schema.make_index("claims", "time", "claimed_at").await
}

/// Has each server write down where others reach its admin API, so that one console shows all of them.
///
/// A server of an earlier version leaves it empty.
pub(crate) async fn address(schema: &Schema<'_>) -> Result<(), DbErr> {
    schema
        .add_columns("servers", &[("address", NAME, "")])
        .await
}
