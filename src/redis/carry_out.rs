//! What each command of a client does, and what it is answered.

use super::{
    answer::Answer,
    channel::Stream,
    client::{Client, Failed},
    command::{self, Command},
    ids, info,
    refusal::Refused,
    request::Words,
    session,
    tally::Tally,
    transaction::Transaction,
};
use crate::{
    actors::AllocError,
    domain::{Demand, Ids, TagName},
    http::Refused as Reason,
};

impl<S: Stream> Client<S> {
    pub(super) async fn carry_out(
        &mut self,
        command: Command,
        words: Words<'_>,
        tally: &mut Tally,
    ) -> Result<Answer, Failed> {
        // Those with a key are let in, or not, for its tag.
        if !command.needs_no_token() && !command.has_key() {
            self.let_in()?;
        }
        let answer = match command {
            Command::Incr => return self.take(words, Ok(1_u32.into()), tally).await,
            Command::IncrBy => {
                let demand = ids::demand(words, self.service.shared.limits.max_range);
                return self.take(words, demand, tally).await;
            }
            Command::Exists => return self.exist(words, tally).await,
            Command::Get => self.newest(words),
            Command::Ping => self.ping(words),
            Command::Echo => Ok(Answer::Text(words.get(1).to_vec())),
            Command::Multi => Transaction::begin(&mut self.transaction),
            Command::Discard => Transaction::discard(&mut self.transaction),
            Command::Exec => Err(Refused::WithoutMulti("EXEC")),
            Command::Auth => self.session.auth(words, &self.service),
            Command::Hello => self.session.hello(words, &self.service),
            Command::Client => self.session.client(words),
            Command::Select => session::select(words),
            Command::Info => Ok(info::info(words, &self.service)),
            Command::Describe => command::command(words),
            Command::Config => session::config(words),
            Command::Reset => {
                self.transaction = None;
                Ok(self.session.reset())
            }
            Command::Quit => Ok(Answer::Simple("OK")),
        };
        Ok(answer?)
    }

    /// The last of the ids that are demanded.
    async fn take(
        &mut self,
        words: Words<'_>,
        demand: Result<Demand, Refused>,
        tally: &mut Tally,
    ) -> Result<Answer, Failed> {
        let tag = ids::tag(words, 1);
        if tag.is_err() {
            self.let_in()?;
        }
        let tag = tag?;
        self.session.may_have(&self.service, tag.as_str())?;
        let demand = demand?;
        let count = demand.count;
        self.session.spend(&self.service, tag.as_str(), count)?;
        let ids = self.ids(tag.clone(), demand, tally).await?;
        if ids.is_err() {
            self.session.give_back(&self.service, tag.as_str(), count);
        }
        tally.ids += ids.as_ref().map_or(0, |_| count);
        let last = ids?.last().map(|range| Answer::Integer(range.end() - 1));
        Ok(last.ok_or(Reason::Internal)?)
    }

    /// Those that are there, at once. Where none are, answers to earlier commands are sent before it waits.
    async fn ids(
        &mut self,
        tag: TagName<'_>,
        demand: Demand,
        tally: &Tally,
    ) -> Result<Result<Ids, AllocError>, Failed> {
        if let Some(ids) = self.service.allocator.take(tag.clone(), demand) {
            return Ok(Ok(ids));
        }
        let limit = self.service.shared.limits.request_deadline;
        let left = limit.saturating_sub(tally.began.elapsed());
        if left.is_zero() {
            return Ok(Err(AllocError::too_late()));
        }
        self.channel.send().await.map_err(Failed::Gone)?;
        let allocating = self.service.allocator.allocate(tag, demand);
        let allocated = tokio::time::timeout(left, allocating).await;
        Ok(allocated.unwrap_or_else(|_| Err(AllocError::too_late())))
    }

    /// How many of the keys are those of tags.
    async fn exist(&mut self, words: Words<'_>, tally: &Tally) -> Result<Answer, Failed> {
        let mut count = 0;
        for index in 1..words.len() {
            let Ok(tag) = ids::tag(words, index) else {
                continue;
            };
            self.session.may_have(&self.service, tag.as_str())?;
            match self.ids(tag, 0_u32.into(), tally).await? {
                Err(AllocError::UnknownTag) => {}
                Ok(_) | Err(AllocError::TagExhausted(_) | AllocError::TagMisconfigured(_)) => {
                    count += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.let_in()?;
        Ok(Answer::Integer(count))
    }

    /// The newest id that this server has answered; none for what cannot be a tag.
    fn newest(&mut self, words: Words<'_>) -> Result<Answer, Refused> {
        let Ok(tag) = ids::tag(words, 1) else {
            return self.let_in().map(|()| Answer::Null);
        };
        self.session.may_have(&self.service, tag.as_str())?;
        let newest = self.service.allocator.newest(tag);
        Ok(newest.map_or(Answer::Null, |id| Answer::text(id.to_string())))
    }

    /// An error while the server goes away, so that load balancers and pools turn to another.
    fn ping(&self, words: Words<'_>) -> Result<Answer, Refused> {
        if self.service.allocator.is_draining() {
            return Err(AllocError::ShuttingDown.into());
        }
        match words.len() {
            1 => Ok(Answer::Simple("PONG")),
            2 => Ok(Answer::Text(words.get(1).to_vec())),
            _ => Err(Refused::Arguments("ping")),
        }
    }
}
