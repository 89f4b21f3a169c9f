//! `MULTI`, `DISCARD`, `EXEC`: commands that are kept and carried out together, as some libraries send each pipeline.

use super::{answer::Answer, refusal::Refused};

/// The most that is kept, in bytes.
const LONGEST: usize = 64 * 1024;

/// The commands since `MULTI`, as they were sent.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) bytes: Vec<u8>,
    pub(super) count: usize,
    /// Whether one was refused, so that none is carried out.
    is_spoiled: bool,
}

impl Transaction {
    /// `MULTI`.
    pub(super) fn begin(transaction: &mut Option<Self>) -> Result<Answer, Refused> {
        if transaction.is_some() {
            return Err(Refused::WithinMulti);
        }
        *transaction = Some(Self::default());
        Ok(Answer::Simple("OK"))
    }

    /// `DISCARD`.
    pub(super) fn discard(transaction: &mut Option<Self>) -> Result<Answer, Refused> {
        match transaction.take() {
            Some(_) => Ok(Answer::Simple("OK")),
            None => Err(Refused::WithoutMulti("DISCARD")),
        }
    }

    pub(super) fn keep(&mut self, request: &[u8]) -> Result<Answer, Refused> {
        if self.bytes.len() + request.len() > LONGEST {
            self.is_spoiled = true;
            return Err(Refused::LongTransaction(LONGEST));
        }
        self.bytes.extend_from_slice(request);
        self.count += 1;
        Ok(Answer::Simple("QUEUED"))
    }

    pub(super) fn spoil(&mut self) {
        self.is_spoiled = true;
    }

    /// What was kept, unless a command was refused.
    pub(super) fn kept(self) -> Result<Self, Refused> {
        match self.is_spoiled {
            true => Err(Refused::Discarded),
            false => Ok(self),
        }
    }
}
