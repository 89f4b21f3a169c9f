//! `LocalTag`: a handle for one thread.

use crate::{IdAllocError, Tag, tag::Patience};
use id_alloc_range::Run;

/// Hands out ids of one tag to one thread or task, made by [`Tag::local`]. It takes a piece of the shared range at once
/// (a sixteenth, at most 4,096 ids) and counts it out without an atomic operation. What is left of its piece when it is
/// dropped is a gap.
///
/// Its ids rise, as those of a [`Tag`] do; two handles interleave by pieces. It is not `Clone`, so that nobody shares a piece.
#[derive(Debug)]
pub struct LocalTag {
    tag: Tag,
    next: i64,
    /// How many ids are left from `next` on.
    left: i64,
}

impl LocalTag {
    pub(crate) fn new(tag: Tag) -> Self {
        Self {
            tag,
            next: 0,
            left: 0,
        }
    }

    /// The tag's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.tag.name()
    }

    /// As [`Tag::next`].
    ///
    /// # Errors
    /// As [`Tag::next`].
    pub async fn next(&mut self) -> Result<i64, IdAllocError> {
        tokio::task::coop::consume_budget().await;
        if let Some(id) = self.try_next() {
            return Ok(id);
        }
        let piece = self.tag.state().piece();
        let run = self.tag.wait(piece, 1, &mut Patience::default()).await?;
        Ok(self.begin(run))
    }

    /// As [`Tag::try_next`].
    #[inline]
    #[must_use]
    pub fn try_next(&mut self) -> Option<i64> {
        if self.left == 0 || self.tag.state().is_closed() {
            return self.another_piece();
        }
        let id = self.next;
        self.left -= 1;
        self.next = id.wrapping_add(1);
        Some(id)
    }

    /// As [`Tag::next_many`].
    ///
    /// # Errors
    /// As [`Tag::next_many`].
    pub async fn next_many(&mut self, n: usize) -> Result<Vec<i64>, IdAllocError> {
        let mut ids = Vec::new();
        while ids.len() < n && self.left > 0 {
            let Some(id) = self.try_next() else { break };
            ids.push(id);
        }
        self.tag.extend(&mut ids, n).await?;
        Ok(ids)
    }

    #[cold]
    fn another_piece(&mut self) -> Option<i64> {
        if self.tag.state().is_closed() {
            self.left = 0;
            return None;
        }
        let piece = self.tag.state().piece();
        let run = self.tag.state().take(piece);
        let run = run.or_else(|| self.tag.take_now(piece))?;
        Some(self.begin(run))
    }

    /// Makes `run` the piece, and takes its first id.
    fn begin(&mut self, run: Run) -> i64 {
        self.next = run.first.wrapping_add(1);
        self.left = run.count - 1;
        run.first
    }
}
