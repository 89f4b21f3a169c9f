//! What a shell's user is helped by: completions and manual pages, made from the same definitions as the
//! help. Needs neither configuration nor database.

use super::{Cli, Exit, arguments::Man, output::Output};
use clap::{Command, CommandFactory as _};
use std::path::Path;

/// `completions SHELL`.
pub(super) fn completions(shell: clap_complete::Shell, output: Output) -> Result<(), Exit> {
    output.none()?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "id-alloc", &mut script);
    let script = String::from_utf8_lossy(&script);
    // For bash, clap_complete 4.6 spells a hyphen in the program's name in two ways, and then finds nothing
    // below the first command (clap-rs/clap#6421).
    output.raw(&script.replace("id__subcmd__alloc", "id__alloc"))
}

/// `man [COMMAND]…`, `man --dir DIR`.
pub(super) fn man(call: &Man, output: Output) -> Result<(), Exit> {
    output.none()?;
    match &call.dir {
        Some(dir) => all_pages(dir),
        None => page(&call.command, output),
    }
}

fn page(words: &[String], output: Output) -> Result<(), Exit> {
    let mut command: Command = Cli::command();
    command.build();
    for word in words {
        let found = command.find_subcommand(word).cloned();
        let Some(found) = found else {
            let name = command.get_name();
            return Err(Exit::usage(format!("{name} has no command {word:?}")));
        };
        command = found;
    }
    let mut roff = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut roff)
        .map_err(|error| Exit::internal(error.to_string()))?;
    output.raw(&String::from_utf8_lossy(&roff))
}

fn all_pages(dir: &Path) -> Result<(), Exit> {
    clap_mangen::generate_to(Cli::command(), dir)
        .map_err(|error| Exit::usage(format!("--dir {}: {error}", dir.display())))
}
