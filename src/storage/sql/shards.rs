//! A sharded keyspace of Vitess, of which a shard is gone: the others serve.

use super::errors::SqlError;
use super::mysql::UNKNOWN_ERROR;

/// Names that lead to shards of their own, perhaps; so often a question is asked that any shard may answer.
const NAMES: [&str; 8] = ["", "a", "c", "f", "g", "h", "i", "k"];

/// Whether a shard may be gone. MySQL itself never answers so.
pub(super) fn may_be_gone(error: &SqlError) -> bool {
    error.mysql == Some(UNKNOWN_ERROR)
}

/// Asks again where a shard is gone, each time with another name of a tag: vtgate asks any shard what is not about a tag.
pub(super) async fn any<T, F>(ask: impl Fn(&'static str) -> F) -> Result<T, SqlError>
where
    F: Future<Output = Result<T, SqlError>>,
{
    let mut answer = ask(NAMES[0]).await;
    for name in &NAMES[1..] {
        match &answer {
            Err(error) if may_be_gone(error) => answer = ask(name).await,
            _ => break,
        }
    }
    answer
}
