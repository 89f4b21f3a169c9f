//! Redis' clients: the commands of Redis that hand out ids, on a listener of their own (`wire.redis`), in RESP2 and RESP3.
//!
//! | what you want to see | file |
//! |---|---|
//! | which commands there are, and which are refused | `command.rs` |
//! | `INCR`, `INCRBY`, `GET`, `EXISTS` | `ids.rs` |
//! | `HELLO`, `AUTH`, `CLIENT` and the like: what a connection remembers | `session.rs` |
//! | `INFO` | `info.rs` |
//! | what was sent, as words; what is answered, as bytes | `request.rs`, `answer.rs` |
//! | why a command is refused | `refusal.rs` |
//! | `MULTI`, `EXEC` | `transaction.rs` |
//! | a client: its requests in order; what each command does | `client.rs`, `carry_out.rs` |
//! | a connection: its limits in time, its end; its bytes | `connection.rs`, `channel.rs` |
//! | what all connections share | `service.rs` |
//! | what counts: connections, commands | `tally.rs` |
//!
//! Promises: commands of a connection are carried out one after the other and answered in order. An id that is in
//! memory is taken without waiting for anyone; what was answered is sent before a command waits for the database.

mod answer;
mod carry_out;
mod channel;
mod client;
mod command;
mod connection;
mod ids;
mod info;
mod refusal;
mod request;
mod service;
mod session;
mod tally;
mod transaction;

pub use channel::Stream;
pub use connection::serve;
pub use service::Service;
