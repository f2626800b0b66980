//! Commands on standard input, one a line: where that is no terminal, or one that can move no
//! cursor, so that there is no line to edit on it.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsFd as _;

use super::connection::Connection;
use super::exchange::{Asked, perform, understand};
use super::failure::{Failure, Kind};
use super::printer::Printer;
use super::prompt::{PROMPT, greeting};
use super::target::Target;
use crate::protocol::{LINE_LIMIT, LineError, Lines, split};
use crate::sys::poll::{Interest, Poller};
use crate::sys::{cause, term};

/// Talks with a person on a terminal that edits lines by itself. `how` is what there is to say
/// of the daemon.
pub(super) fn run_plainly(
    target: &Target,
    connection: Connection,
    printer: Printer,
    how: &str,
) -> Result<u8, Failure> {
    term::catch_interrupt().map_err(|error| {
        Failure::new(Kind::Failed, format!("cannot use the terminal: {}", cause(&error)))
    })?;
    printer.print(&greeting(&connection, how))?;
    let mut script = Script {
        target,
        connection: Some(connection),
        printer: printer.briefly(),
        prompt: PROMPT,
        status: 0,
    };
    script.line(Ok("status".to_owned()))?;
    script.printer = printer;
    printer.print("\nhelp lists the commands, Ctrl-D leaves.\n")?;
    script.read()?;
    Ok(0)
}

/// Runs them all. The exit status is that of the last that failed, 0 if none did.
pub(super) fn run(
    target: &Target,
    connection: Connection,
    printer: Printer,
) -> Result<u8, Failure> {
    Script { target, connection: Some(connection), printer, prompt: "", status: 0 }.read()
}

/// What is typed next, and how many bytes of it; none: Ctrl-C, however soon before the wait.
fn next_bytes(input: &mut File, bytes: &mut [u8]) -> std::io::Result<Option<usize>> {
    if let Some(interrupts) = term::interrupt_fd() {
        let mut poller = Poller::new();
        poller.add(input.as_fd(), Interest::Read);
        poller.add(interrupts, Interest::Read);
        poller.wait(None)?;
        if term::interrupted() {
            return Ok(None);
        }
    }
    input.read(bytes).map(Some)
}

fn cannot_read(error: &std::io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot read commands: {}", cause(error)))
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Go {
    On,
    Out,
}

struct Script<'a> {
    target: &'a Target,
    /// None after it was lost: the next command tries again.
    connection: Option<Connection>,
    printer: Printer,
    /// What stands before each line, where somebody types it.
    prompt: &'static str,
    status: u8,
}

impl Script<'_> {
    /// Runs all that is read.
    fn read(&mut self) -> Result<u8, Failure> {
        let mut lines = Lines::new(LINE_LIMIT);
        let mut bytes = [0; 4096];
        // Not through std's buffer: poll(2) knows nothing of what waits there.
        let input = std::io::stdin().as_fd().try_clone_to_owned();
        let mut input = File::from(input.map_err(|error| cannot_read(&error))?);
        loop {
            while let Some(line) = lines.next_line() {
                if self.line(line)? == Go::Out {
                    return Ok(self.status);
                }
            }
            self.printer.print(self.prompt)?;
            match next_bytes(&mut input, &mut bytes) {
                Ok(Some(0)) => break,
                Ok(Some(count)) => lines.push(bytes.get(..count).unwrap_or_default()),
                // The terminal has dropped the line.
                Ok(None) => self.printer.print("\n")?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(cannot_read(&error)),
            }
        }
        if lines.len() > 0 {
            // The last line may lack its newline.
            lines.push(b"\n");
            if let Some(line) = lines.next_line() {
                self.line(line)?;
            }
        }
        Ok(self.status)
    }

    fn line(&mut self, line: Result<String, LineError>) -> Result<Go, Failure> {
        let line = match line {
            Ok(line) => line,
            Err(LineError::NotUtf8) => {
                return self
                    .settle(Err(Failure::new(Kind::Usage, "a line that is not UTF-8: left out")));
            }
            // Where it ends is unknown, and so is where the next begins.
            Err(LineError::TooLong) => {
                let why = format!("a line of more than {LINE_LIMIT} bytes: stopping there");
                return Err(Failure::new(Kind::Usage, why));
            }
        };
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            return Ok(Go::On);
        }
        let result = self.command(&line);
        self.settle(result)
    }

    fn settle(&mut self, result: Result<Option<u8>, Failure>) -> Result<Go, Failure> {
        match result {
            Ok(None) => return Ok(Go::Out),
            Ok(Some(0)) => {}
            Ok(Some(status)) => self.status = status,
            Err(failure) if failure.kind == Kind::Unheard => return Err(failure),
            Err(failure) => {
                failure.report();
                self.status = failure.kind.status();
                if failure.kind == Kind::Lost {
                    self.connection = None;
                }
            }
        }
        Ok(Go::On)
    }

    /// The exit status of one command; none: it was to leave.
    fn command(&mut self, line: &str) -> Result<Option<u8>, Failure> {
        let words = split(line).map_err(|why| Failure::new(Kind::Usage, why))?;
        match understand(&words)? {
            Asked::Nothing => Ok(Some(0)),
            Asked::Leave => Ok(None),
            Asked::Told(text) => self.printer.print(&text).map(|()| Some(0)),
            Asked::Daemon(request) => {
                let connection = match &mut self.connection {
                    Some(connection) => connection,
                    none => none.insert(self.target.connect()?),
                };
                perform(connection, &words, &request, self.printer, None).map(Some)
            }
        }
    }
}
