//! The `id-alloc` program: parses the call, runs it, and says how it ended.

use clap::Parser as _;
use id_alloc::cli::{Cli, last_words};
use std::mem::ManuallyDrop;

/// Allocates faster than the system's, and gives memory of evicted tags back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let code = match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() { 64 } else { 0 }
        }
    };
    // What still runs, such as a name that is being looked up, is not waited for.
    std::process::exit(code)
}

fn run(cli: Cli) -> i32 {
    // Never dropped: that would wait for its threads.
    let system = ManuallyDrop::new(actix_web::rt::System::new());
    match system.block_on(cli.run()) {
        Ok(()) => 0,
        Err(exit) => {
            last_words(format!("id-alloc: {}", exit.text()));
            exit.code().into()
        }
    }
}
