//! Takes some ids from a server on this machine:
//!
//!     id-alloc serve &
//!     cargo run -p id-alloc-client --example hello -- http://127.0.0.1:8880 test
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use id_alloc_client::{Client, IdAllocError};

#[tokio::main]
async fn main() -> Result<(), IdAllocError> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next();
    let tag = arguments.next();

    let client = Client::builder()
        .server(server.as_deref().unwrap_or("http://127.0.0.1:8880"))
        .build()?;
    let tag = client.tag(tag.as_deref().unwrap_or("test"));

    match tag.next().await {
        Ok(id) => println!("one: {id}"),
        Err(IdAllocError::UnknownTag(refusal)) => println!("create the tag first: {refusal}"),
        Err(error) => return Err(error),
    }
    // From memory: no await, no network.
    println!("from memory: {:?}", tag.try_next());
    println!("many: {:?}", tag.next_many(5).await?);

    let mut local = tag.local();
    println!("by the handle for one thread: {}", local.next().await?);

    client.close().await;
    Ok(())
}
