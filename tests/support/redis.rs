//! A client of Redis' protocol that sends what it is told and shows what comes, and a server that it speaks to.

use super::PATIENCE;
use super::ports::reserved_port;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An address for `wire.redis.bind`.
pub(crate) fn address() -> String {
    format!("127.0.0.1:{}", reserved_port())
}

/// A connection.
pub(crate) struct Redis<S = TcpStream> {
    stream: S,
    read: Vec<u8>,
}

/// What came as one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    Integer(i64),
    Simple(String),
    Error(String),
    Text(String),
    Null,
    List(Vec<Said>),
    Map(Vec<(Said, Said)>),
}

impl Redis {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await;
        Self::over(stream.unwrap_or_else(|error| panic!("{address}: {error}")))
    }

    /// Whether the server has closed it, as far as is known by now.
    pub(crate) fn is_over(&self) -> bool {
        // Nothing was asked, so nothing can be there but the end.
        !matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Sends the end of what it sends.
    pub(crate) async fn ends(&mut self) {
        self.stream.shutdown().await.expect("an open connection");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Redis<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends a command (words without spaces) and gives its answer.
    pub(crate) async fn ask(&mut self, command: &str) -> Said {
        self.send(&request(command)).await;
        self.said().await
    }

    /// The id that a command is answered with.
    pub(crate) async fn id(&mut self, command: &str) -> i64 {
        match self.ask(command).await {
            Said::Integer(id) => id,
            said => panic!("{command}: {said:?}"),
        }
    }

    /// The same; `None` where the connection is closed instead.
    pub(crate) async fn try_id(&mut self, command: &str) -> Option<i64> {
        self.stream.write_all(&request(command)).await.ok()?;
        match self.next().await? {
            Said::Integer(id) => Some(id),
            said => panic!("{command}: {said:?}"),
        }
    }

    /// Sends a command again until its answer is what is looked for.
    pub(crate) async fn until(&mut self, command: &str, is_it: impl Fn(&Said) -> bool) -> Said {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.ask(command).await;
            if is_it(&said) {
                return said;
            }
            assert!(Instant::now() < deadline, "{command}: still {said:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The error that a command is answered with.
    pub(crate) async fn error(&mut self, command: &str) -> String {
        match self.ask(command).await {
            Said::Error(text) => text,
            said => panic!("{command}: {said:?}"),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
        self.stream.flush().await.expect("sent");
    }

    /// The next answer, which must come.
    pub(crate) async fn said(&mut self) -> Said {
        match self.next().await {
            Some(said) => said,
            None => panic!("closed after {:?}", String::from_utf8_lossy(&self.read)),
        }
    }

    /// The next answer; `None` where the connection is closed instead.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        let reading = async {
            loop {
                if let Some((said, end)) = parse(&self.read, 0) {
                    self.read.drain(..end);
                    return Some(said);
                }
                // A reset is a closed connection.
                if self.stream.read_buf(&mut self.read).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.expect("neither answered nor closed")
    }

    /// It is closed, with nothing more to say.
    pub(crate) async fn is_closed(&mut self) {
        let next = self.next().await;
        assert_eq!(next, None);
        assert!(self.read.is_empty(), "{:?}", self.read);
    }
}

/// A command as a client sends it.
pub(crate) fn request(command: &str) -> Vec<u8> {
    let words: Vec<&str> = command.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
    }
    bytes
}

/// The first answer in `bytes` from `at` on, and where it ends; `None` where more has to come.
fn parse(bytes: &[u8], at: usize) -> Option<(Said, usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.windows(2).position(|two| two == b"\r\n")?;
    let line = String::from_utf8_lossy(rest.get(1..length)?).into_owned();
    let mut end = at + length + 2;
    let number = || line.parse::<i64>().expect("a number");
    let mut several = |count: usize| {
        let mut all = Vec::new();
        for _ in 0..count {
            let (said, after) = parse(bytes, end)?;
            all.push(said);
            end = after;
        }
        Some(all)
    };
    let said = match rest[0] {
        b':' => Said::Integer(number()),
        b'+' => Said::Simple(line),
        b'-' => Said::Error(line),
        b'_' => Said::Null,
        b'$' if number() < 0 => Said::Null,
        b'$' => {
            let length = usize::try_from(number()).expect("a length");
            let text = bytes.get(end..end + length)?;
            end += length + 2;
            bytes.get(..end)?;
            Said::Text(String::from_utf8_lossy(text).into_owned())
        }
        b'*' => Said::List(several(usize::try_from(number()).expect("a length"))?),
        b'%' => {
            let all = several(2 * usize::try_from(number()).expect("a length"))?;
            let pairs = all.chunks(2).map(|two| (two[0].clone(), two[1].clone()));
            Said::Map(pairs.collect())
        }
        byte => panic!("no answer begins with {:?}", byte as char),
    };
    Some((said, end))
}
