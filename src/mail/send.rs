//! `taskmaster mail`: sends the one message that it is given, and tells each step as it takes it.

use std::error::Error as _;
use std::io::{self, Read, Write};
use std::time::Duration;

use lettre::{SendmailTransport, Transport as _};

use super::errand::{Errand, UNREACHED};
use super::letter::{self, Letter};
use super::{layout, smtp};
use crate::config::Server;
use crate::sys::{cause, process, timer};

/// The most that an errand may hold, in bytes.
const LIMIT: u64 = 1 << 20;

/// What is told on the way, a line a step: what is done, and behind the colon what came of it.
///
/// The first half is there before the step is taken. So of a sender that is killed, the last
/// line is the step that had no end.
pub(super) struct Steps<'w> {
    out: &'w mut dyn Write,
    is_open: bool,
    /// What a server may have been told, and nobody else is.
    secrets: Vec<String>,
}

impl Steps<'_> {
    /// A step is about to be taken.
    pub(super) fn begin(&mut self, what: &str) {
        if self.is_open {
            let _ = writeln!(self.out);
        }
        self.is_open = true;
        let _ = write!(self.out, "{}: ", layout::clean(what));
        let _ = self.out.flush();
    }

    /// From now on none of these is told, whoever says it.
    pub(super) fn hide(&mut self, secrets: Vec<String>) {
        self.secrets = secrets;
    }

    /// That came of it.
    pub(super) fn end(&mut self, how: &str) {
        self.is_open = false;
        let mut how = how.to_owned();
        for secret in &self.secrets {
            how = how.replace(secret, "***");
        }
        let _ = writeln!(self.out, "{}", layout::cut(&layout::clean(&how), 500));
        let _ = self.out.flush();
    }
}

/// Sends what stands on standard input. The exit status: 0 it is sent, [`UNREACHED`] it is, but not
/// to everybody, 1 it is not.
pub fn run() -> u8 {
    // It knows a password: neither a core dump nor a debugger gets it.
    process::be_private();
    let mut stdout = io::stdout();
    let mut steps = Steps { out: &mut stdout, is_open: false, secrets: Vec::new() };
    steps.begin("reading what to send");
    let errand = match errand() {
        Ok(errand) => errand,
        Err(error) => {
            steps.end(&error);
            return 1;
        }
    };
    // Whoever started this has a deadline of its own; should that one be gone, this is the end.
    timer::alarm(errand.timeout + Duration::from_secs(1));
    steps.end("done");
    match send(&errand, &mut steps) {
        Ok(true) => 0,
        Ok(false) => UNREACHED,
        Err(error) => {
            steps.end(&error);
            1
        }
    }
}

fn errand() -> Result<Errand, String> {
    let mut bytes = Vec::new();
    io::stdin().take(LIMIT).read_to_end(&mut bytes).map_err(|error| cause(&error))?;
    serde_json::from_slice(&bytes).map_err(|_| {
        "this is no message: the daemon and check --mail start this by themselves".to_owned()
    })
}

fn send(errand: &Errand, steps: &mut Steps<'_>) -> Result<bool, String> {
    steps.begin("writing the message");
    let letter = Letter::write(errand)?;
    steps.end(&format!("{} bytes", letter.bytes.len()));
    match &errand.server {
        Server::Smtp(server) => smtp::send(server, &letter, &errand.host, errand.timeout, steps),
        Server::Sendmail(program) => {
            steps.begin(&format!("handing it to {}", program.display()));
            let transport = SendmailTransport::new_with_command(program);
            let sent = transport.send_raw(&letter.envelope, &letter.bytes);
            sent.map_err(|error| {
                match error.source().map(|source| (source, source.downcast_ref())) {
                    Some((_, Some(io))) => cause(io),
                    // What it said on stderr: lines.
                    Some((words, None)) => words.to_string().trim_end().to_owned(),
                    None => error.to_string(),
                }
            })?;
            steps.end("taken");
            Ok(true)
        }
        Server::Folder(folder) => {
            steps.begin(&format!("putting it into {}", folder.display()));
            let path = letter::put(&letter, folder).map_err(|error| cause(&error))?;
            steps.end(&path.display().to_string());
            Ok(true)
        }
    }
}
