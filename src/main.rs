//! taskmaster: a process supervisor. One binary; what it is called by, or its first word, picks
//! the applet.

mod cli;
mod config;
mod daemon;
#[cfg(test)]
mod inputs;
mod logger;
mod mail;
#[cfg(test)]
mod papers;
mod protocol;
#[cfg(test)]
mod rooms;
mod shell;
mod supervisor;
mod sys;

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use cli::{Invocation, Usage};

fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(Usage(text)) => {
            let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
            return ExitCode::from(2);
        }
    };
    ExitCode::from(match invocation {
        Invocation::Print(text) => print(&text),
        Invocation::Logger => logger::run(),
        Invocation::Mail => mail::run(),
        Invocation::ResumeCheck => daemon::check_state(),
        Invocation::Daemon { config, detach } => daemon::run(&mut daemon::Options {
            config,
            detach,
            mail: false,
            surroundings: surroundings(),
        }),
        Invocation::Check { config, mail } => {
            let detach = false;
            daemon::check(&daemon::Options { config, detach, mail, surroundings: surroundings() })
        }
        Invocation::Shell { config, server, secret_file, command } => {
            let surroundings = surroundings();
            let options = shell::Options { config, server, secret_file, surroundings };
            shell::run(&options, &command)
        }
        Invocation::Up { config } => up(config),
    })
}

/// The exit status. A pipe that nobody reads any more, as in `| head`, is a quiet end.
fn print(text: &str) -> u8 {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let cause = sys::cause(&error);
            let _ =
                writeln!(std::io::stderr(), "taskmaster: cannot write to standard output: {cause}");
            1
        }
        Ok(()) | Err(_) => 0,
    }
}

fn surroundings() -> config::Surroundings {
    daemon::source::surroundings()
}

/// The daemon is started as `taskmaster daemon -d` is, by a process of its own: this one goes
/// on as the shell.
fn up(config: Option<std::path::PathBuf>) -> u8 {
    let start = || {
        // Where whoever called this ignores the ends of children, this one could not be waited for.
        sys::signals::default_child();
        let this = sys::handover::own_file().unwrap_or_else(|_| "/proc/self/exe".into());
        let mut daemon = std::process::Command::new(this);
        daemon.arg0("taskmaster").args(["daemon", "--detach"]);
        daemon.args(config.iter().flat_map(|file| ["--config".as_ref(), file.as_os_str()]));
        match daemon.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "taskmaster: starting the daemon: {error}");
                Err(1)
            }
        }
    };
    let surroundings = surroundings();
    let config = config.clone();
    let options = shell::Options { config, server: None, secret_file: None, surroundings };
    shell::up(&options, &start)
}
