//! What can go wrong with the store, by what it means for the caller.

/// A failed call to the store. Messages are for people and hold no password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed and trying again may help: no connection, deadlock, lock wait, too many
    /// connections.
    #[error("{0}")]
    Transient(String),
    /// The database is there and has no connection left for this server. Nothing was changed; others close
    /// those that they do not need.
    #[error("{0}")]
    NoConnection(String),
    /// The statement was sent and no answer came: it may have been committed. What it claimed counts
    /// as lost; claim again.
    #[error("{0}")]
    UnknownOutcome(String),
    /// The server is read-only: a demoted primary or a replica. Connections are dropped and made anew.
    #[error("{0}")]
    ReadOnly(String),
    /// No row of exactly this name, or it is retired.
    #[error("the tag does not exist")]
    UnknownTag,
    /// The row of this tag cannot be used; others can. The text says what to change.
    #[error("{0}")]
    TagMisconfigured(String),
    /// The tag has no ids left below the limit.
    #[error("{0}")]
    TagExhausted(String),
    /// More was asked for than all servers together may claim of the tag by now.
    #[error("{text}; try again in {:.1} s", wait.as_secs_f64())]
    AllowanceUsedUp {
        /// How long until it may be claimed, if nobody else claims meanwhile.
        wait: std::time::Duration,
        /// For people: what was asked for, and what would permit it at once.
        text: String,
    },
    /// The data went back too often; claims wait (`database.failover_limit`).
    #[error("{0}")]
    FailoverFlapping(String),
    /// The store as a whole cannot serve until someone changes something.
    #[error("{0}")]
    Unusable(#[from] Unusable),
    /// An administrator's call that the rules do not allow, with the reason.
    #[error("{0}")]
    Rejected(String),
    /// A tag cannot be made because there is one, or was one up to a higher id; the text says which.
    #[error("{0}")]
    Exists(String),
    /// The row is not what the administrator saw before changing it.
    #[error("biz_tag was changed in the meantime: look at it again")]
    Changed,
}

/// Why the store as a whole cannot serve. The text says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The table is not there: `id-alloc migrate up` makes it.
    #[error("{0}")]
    TableMissing(String),
    /// The table is there and would not keep ids unique (engine, types, key).
    #[error("{0}")]
    TableMisconfigured(String),
    /// The database refused user, password or right.
    #[error("{0}")]
    AccessDenied(String),
    /// The server does not know the database named in the URL, or the URL cannot be used.
    #[error("{0}")]
    WrongDatabase(String),
}

impl StoreError {
    /// The value of the `outcome` label of `id_alloc_segment_loads_total`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Transient(_)
            | Self::NoConnection(_)
            | Self::ReadOnly(_)
            | Self::AllowanceUsedUp { .. } => "transient",
            Self::UnknownOutcome(_) => "unknown",
            Self::UnknownTag
            | Self::TagMisconfigured(_)
            | Self::TagExhausted(_)
            | Self::FailoverFlapping(_)
            | Self::Unusable(_)
            | Self::Rejected(_)
            | Self::Exists(_)
            | Self::Changed => "permanent",
        }
    }

    /// Whether trying again soon may help. An allowance that is used up says itself when.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Transient(_)
                | Self::NoConnection(_)
                | Self::UnknownOutcome(_)
                | Self::ReadOnly(_)
        )
    }
}
