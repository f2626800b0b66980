//! One request and the replies to it, from its words to its exit status.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use super::Options;
use super::connection::{Connection, request_line};
use super::failure::{Failure, Kind};
use super::help;
use super::keyboard::Keyboard;
use super::printer::{Answer, Printer};
use super::target::Target;
use super::watch;
use super::wire::Woken;
use crate::protocol::{Request, Wait};
use crate::sys::{clock, term};

/// A daemon that says nothing for so long hangs, unless it was asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// What words ask for.
pub(super) enum Asked {
    /// Nothing: there are none.
    Nothing,
    /// To leave.
    Leave,
    /// This text, which is known without the daemon.
    Told(String),
    /// What the daemon has to answer.
    Daemon(Request),
}

/// Understands words as a command.
pub(super) fn understand(words: &[String]) -> Result<Asked, Failure> {
    let request = Request::from_words(words).map_err(|error| Failure::new(Kind::Usage, error))?;
    Ok(match request {
        None => Asked::Nothing,
        Some(Request::Quit) => Asked::Leave,
        Some(Request::Help { command }) => Asked::Told(help::text(command)),
        Some(request) => {
            request_line(words)?;
            Asked::Daemon(request)
        }
    })
}

/// Runs the one command of the command line.
pub(super) fn one_shot(options: &Options, words: &[String]) -> Result<u8, Failure> {
    let printer = Printer::new(&options.surroundings.env);
    match understand(words)? {
        Asked::Nothing | Asked::Leave => Ok(0),
        Asked::Told(text) => printer.print(&text).map(|()| 0),
        Asked::Daemon(request) => {
            let target = Target::find(options)?;
            let mut connection = target.connect()?;
            target.note_other_file(&connection);
            let watches = matches!(request, Request::Status { watch: true, json: false, .. });
            if watches && printer.is_screen() && std::io::stdin().is_terminal() {
                let keyboard = Keyboard::open()?;
                return watch::run(&mut connection, words, printer, &keyboard);
            }
            perform(&mut connection, words, &request, printer, None)
        }
    }
}

/// Sends a request and prints what comes back, until its end. At a keyboard, Ctrl-C
/// asks the daemon to end it; the second time the daemon is not waited for.
pub(super) fn perform(
    connection: &mut Connection,
    words: &[String],
    request: &Request,
    printer: Printer,
    keyboard: Option<&Keyboard>,
) -> Result<u8, Failure> {
    if let (Request::Status { watch: true, json: false, .. }, Some(keyboard)) = (request, keyboard)
        && printer.is_screen()
    {
        return watch::run(connection, words, printer, keyboard);
    }
    connection.request(words)?;
    let mut answer = Answer::to(request, printer);
    let mut patience = Patience::with(request);
    let mut cancelled = false;
    loop {
        while let Some(reply) = connection.next()? {
            patience.renew();
            if let Some(end) = answer.take(reply)? {
                return Ok(end.exit);
            }
        }
        let keys = match keyboard {
            Some(keyboard) => Some(keyboard.fd()),
            None => term::interrupt_fd(),
        };
        let woken = connection.wait(keys, patience.left()?)?;
        let stop = match keyboard {
            Some(keyboard) => interrupted(keyboard, woken)?,
            None => term::interrupted(),
        };
        if !stop {
            continue;
        }
        if cancelled {
            return Err(Failure::new(Kind::Lost, "the daemon does not end its answer: hung up"));
        }
        connection.cancel()?;
        cancelled = true;
    }
}

/// Whether Ctrl-C was typed. What else was typed waits for the prompt.
fn interrupted(keyboard: &Keyboard, woken: Woken) -> Result<bool, Failure> {
    if !woken.other {
        if !woken.wire {
            keyboard.enforce()?;
        }
        return Ok(false);
    }
    let pressed = keyboard.read()?;
    if pressed.suspend {
        keyboard.suspend()?;
    }
    Ok(pressed.interrupt)
}

/// How long to wait for the next reply.
struct Patience {
    until: Option<Instant>,
}

impl Patience {
    /// What may take its time by its nature is waited for without limit.
    fn with(request: &Request) -> Self {
        let endless = match request {
            Request::Start { wait, .. }
            | Request::Stop { wait, .. }
            | Request::Restart { wait, .. } => *wait != Wait::No,
            Request::Events { .. }
            | Request::Shutdown
            | Request::Upgrade
            | Request::Enable { .. }
            | Request::Disable { .. } => true,
            Request::Status { watch, .. } => *watch,
            Request::Tail { follow, .. } | Request::Log { follow, .. } => *follow,
            _ => false,
        };
        Self { until: (!endless).then(|| clock::now() + PATIENCE) }
    }

    fn renew(&mut self) {
        if self.until.is_some() {
            self.until = Some(clock::now() + PATIENCE);
        }
    }

    /// The time left; none: no limit.
    fn left(&self) -> Result<Option<Duration>, Failure> {
        let Some(until) = self.until else { return Ok(None) };
        match until.checked_duration_since(clock::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(Failure::new(
                Kind::Lost,
                format!(
                    "the daemon has not answered for {} s; it may hang: its log may say why",
                    PATIENCE.as_secs()
                ),
            )),
        }
    }
}
