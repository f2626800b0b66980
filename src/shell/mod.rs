//! The control shell: an interactive prompt, single commands, and `up`.
//!
//! ```text
//! Options → Target (which daemon) → Connection (the secret proved both ways)
//! words → Request → its line → Replies → Printer → exit status
//! ```
//!
//! Three ways lead to that second line: the words of the command line
//! ([`exchange::one_shot`]), standard input ([`script`]) and the prompt ([`prompt`]).
//! A typed line is understood here before it is sent, so that a mistake is
//! answered without the daemon and with its own words.

mod complete;
mod connection;
mod events;
mod exchange;
mod failure;
mod handshake;
mod help;
mod history;
mod keyboard;
mod link;
mod paint;
mod printer;
mod prompt;
mod script;
mod story;
mod table;
mod target;
mod terminal;
mod text;
mod watch;
mod wire;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use crate::config::Surroundings;
use connection::Connection;
use failure::{Failure, Kind};
use printer::Printer;
use target::Target;

/// What the command line says about the daemon to talk to.
pub struct Options {
    /// `-c`: the configuration file.
    pub config: Option<PathBuf>,
    /// `-s`: where the daemon listens, as HOST:PORT.
    pub server: Option<String>,
    /// `--secret-file`: the file with the shared secret.
    pub secret_file: Option<PathBuf>,
    /// What the configuration depends on besides its text.
    pub surroundings: Surroundings,
}

/// Runs one command, or none: then the interactive shell, or the commands on a
/// standard input that is no terminal. Returns the exit status.
pub fn run(options: &Options, command: &[String]) -> u8 {
    if !command.is_empty() {
        return settle(exchange::one_shot(options, command));
    }
    settle(Target::find(options).and_then(|target| {
        let connection = target.connect()?;
        converse(options, target, connection, "is up")
    }))
}

/// Makes sure that a daemon runs, then runs as with no command. `start` starts one and
/// says itself what goes wrong, with the exit status as its error.
pub fn up(options: &Options, start: &dyn Fn() -> Result<(), u8>) -> u8 {
    let target = match Target::find(options) {
        Ok(target) => target,
        Err(failure) => return settle(Err(failure)),
    };
    let mut how = "is up";
    let connection = match target.connect() {
        Err(failure) if failure.kind == Kind::Nobody => {
            if let Err(status) = start() {
                return status;
            }
            how = "has been started";
            target.connect()
        }
        other => other,
    };
    settle(connection.and_then(|connection| {
        target.insist_on_same_file(&connection)?;
        converse(options, target, connection, how)
    }))
}

/// The interactive shell on a terminal, else the commands on standard input.
fn converse(
    options: &Options,
    target: Target,
    connection: Connection,
    how: &str,
) -> Result<u8, Failure> {
    let printer = Printer::new(&options.surroundings.env);
    target.note_other_file(&connection);
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return script::run(&target, connection, printer);
    }
    if printer.is_screen() {
        prompt::run(target, connection, printer, how)
    } else {
        script::run_plainly(&target, connection, printer, how)
    }
}

/// Says what failed, if anything, and turns it into an exit status.
fn settle(result: Result<u8, Failure>) -> u8 {
    result.unwrap_or_else(|failure| {
        failure.report();
        failure.kind.status()
    })
}
