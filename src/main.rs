//! The `id-alloc` program: parses the call, runs it, and says how it ended.

use clap::Parser as _;
use id_alloc::cli::Cli;
use std::{io::Write as _, process::ExitCode};

/// Allocates faster than the system's, and gives memory of evicted tags back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { 64 } else { 0 }.into();
        }
    };
    match actix_web::rt::System::new().block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            let _ = writeln!(std::io::stderr(), "id-alloc: {}", exit.text());
            exit.code()
        }
    }
}
