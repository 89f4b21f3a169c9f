//! Which commands there are: what `COMMAND` says of each, and which are refused because they would change a counter.

use super::answer::Answer;
use super::refusal::Refused;
use super::request::Words;

/// What `COMMAND` says of a command.
struct About {
    /// As errors and metrics have it, too.
    name: &'static str,
    /// How many words it has, itself included; at least so many where negative.
    arity: i64,
    /// Where its key stands; 0 where it has none.
    key: i64,
    flags: &'static [&'static str],
}

macro_rules! commands {
    ($($command:ident $name:literal $arity:literal $key:literal [$($flag:literal)*])+) => {
        /// A command that is served.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Command { $($command,)+ }

        impl Command {
            pub(super) const ALL: &[Self] = &[$(Self::$command,)+];

            const ABOUT: &[About] =
                &[$(About { name: $name, arity: $arity, key: $key, flags: &[$($flag),*] },)+];
        }
    };
}

commands! {
    Incr "incr" 2 1 ["write" "denyoom" "fast"]
    IncrBy "incrby" 3 1 ["write" "denyoom" "fast"]
    Get "get" 2 1 ["readonly" "fast"]
    Exists "exists" -2 1 ["readonly" "fast"]
    Ping "ping" -1 0 ["fast"]
    Echo "echo" 2 0 ["fast"]
    Multi "multi" 1 0 ["noscript" "loading" "stale" "fast"]
    Exec "exec" 1 0 ["noscript" "loading" "stale"]
    Discard "discard" 1 0 ["noscript" "loading" "stale" "fast"]
    Auth "auth" -2 0 ["noscript" "loading" "stale" "fast" "no_auth"]
    Hello "hello" -1 0 ["noscript" "loading" "stale" "fast" "no_auth"]
    Client "client" -2 0 ["noscript" "loading" "stale"]
    Select "select" 2 0 ["loading" "stale" "fast"]
    Info "info" -1 0 ["loading" "stale"]
    Describe "command" -1 0 ["loading" "stale"]
    Config "config" -2 0 ["noscript" "loading" "stale"]
    Reset "reset" 1 0 ["noscript" "loading" "stale" "fast" "no_auth"]
    Quit "quit" -1 0 ["noscript" "loading" "stale" "fast" "no_auth"]
}

/// Commands of Redis that would change a counter, or make it vanish, in another way than handing out ids.
const WOULD_CHANGE: &str = "append bitfield bitop copy decr decrby del eval evalsha expire expireat fcall flushall \
    flushdb getdel getex getset incrbyfloat migrate move mset msetnx persist pexpire \
    pexpireat psetex rename renamenx restore set setbit setex setnx setrange swapdb unlink";

impl Command {
    /// The command of a request.
    pub(super) fn of(words: Words<'_>) -> Result<Self, Refused> {
        let called = |command: &&Self| words.is(0, command.name());
        let Some(command) = Self::ALL.iter().find(called).copied() else {
            return Err(refused(words.get(0)));
        };
        let (count, arity) = (words.len() as i64, command.about().arity);
        match count == arity || arity < 0 && count >= -arity {
            true => Ok(command),
            false => Err(Refused::Arguments(command.name())),
        }
    }

    fn about(self) -> &'static About {
        &Self::ABOUT[self as usize]
    }

    pub(super) fn name(self) -> &'static str {
        self.about().name
    }

    /// Whether it is answered before a token was sent.
    pub(super) fn needs_no_token(self) -> bool {
        self.about().flags.contains(&"no_auth")
    }

    /// Whether its tag says who may.
    pub(super) fn has_key(self) -> bool {
        self.about().key > 0
    }

    /// Whether it waits for `EXEC` after `MULTI`.
    pub(super) fn is_kept(self) -> bool {
        let at_once = [
            Self::Multi,
            Self::Exec,
            Self::Discard,
            Self::Reset,
            Self::Quit,
        ];
        !at_once.contains(&self)
    }

    /// What `COMMAND` says of it.
    fn describe(self) -> Answer {
        let about = self.about();
        let last = if self == Self::Exists { -1 } else { about.key };
        let flags = about.flags.iter().map(|flag| Answer::Simple(flag));
        Answer::List(vec![
            Answer::text(about.name),
            Answer::Integer(about.arity),
            Answer::List(flags.collect()),
            Answer::Integer(about.key),
            Answer::Integer(last),
            Answer::Integer(about.key),
        ])
    }
}

fn refused(name: &[u8]) -> Refused {
    let shown = |name: &[u8]| {
        let start = name.get(..64).unwrap_or(name);
        start.escape_ascii().to_string()
    };
    let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
    if WOULD_CHANGE.split(' ').any(is) {
        Refused::WouldChange(shown(name).to_uppercase())
    } else if is("cluster") {
        Refused::NoCluster
    } else {
        Refused::UnknownCommand(shown(name))
    }
}

/// `COMMAND`, and those of its subcommands that clients send by themselves.
pub(super) fn command(words: Words<'_>) -> Result<Answer, Refused> {
    let all = Command::ALL;
    if words.len() == 1 {
        let described = all.iter().map(|command| command.describe());
        Ok(Answer::List(described.collect()))
    } else if words.is(1, "count") {
        Ok(Answer::Integer(all.len() as i64))
    } else if words.is(1, "docs") {
        Ok(Answer::Map(Vec::new()))
    } else if words.is(1, "info") {
        let known = |index| {
            let found = all.iter().find(|command| words.is(index, command.name()));
            found.map_or(Answer::Null, |command| command.describe())
        };
        Ok(Answer::List((2..words.len()).map(known).collect()))
    } else {
        Err(Refused::option("COMMAND", words.get(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::request;

    fn of(line: &str) -> Result<Command, Refused> {
        let (mut places, line) = (Vec::new(), format!("{line}\n"));
        request::read(line.as_bytes(), 4096, &mut places).unwrap();
        Command::of(Words::new(line.as_bytes(), &places))
    }

    #[test]
    fn a_command_is_known_in_capitals_or_not_and_has_its_number_of_words() {
        assert_eq!(of("INCR order").unwrap(), Command::Incr);
        assert_eq!(of("incrby order 5").unwrap(), Command::IncrBy);
        assert_eq!(of("PING").unwrap(), Command::Ping);
        assert_eq!(of("exists a b c").unwrap(), Command::Exists);
        for wrong in ["incr", "incr a b", "incrby a", "exists", "auth", "select"] {
            let refused = of(wrong).unwrap_err();
            assert!(
                matches!(refused, Refused::Arguments(_)),
                "{wrong}: {refused}"
            );
        }
    }

    #[test]
    fn what_would_change_a_counter_is_told_apart_from_what_is_unknown() {
        for command in WOULD_CHANGE.split(' ') {
            let refused = of(&format!("{command} order")).unwrap_err();
            assert!(matches!(refused, Refused::WouldChange(_)), "{command}");
        }
        let refused = of("NOSUCH").unwrap_err();
        assert!(matches!(refused, Refused::UnknownCommand(_)), "{refused}");
    }
}
