//! The prompt's connection, which comes and goes with the daemon.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::connection::Connection;
use super::failure::{Failure, Kind};
use super::target::Target;
use super::wire::Woken;
use crate::protocol::{PidRow, Reply};
use crate::sys::poll::{Interest, Poller};
use crate::sys::{cause, clock};

/// Nobody waits longer for a Tab.
const PATIENCE: Duration = Duration::from_millis(300);

/// A connection, or the way to the next.
pub(super) struct Link {
    /// Which daemon.
    pub(super) target: Target,
    connection: Option<Connection>,
    /// The names that were last seen.
    names: Vec<String>,
    poller: Poller,
}

/// What happened while the prompt waited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waited {
    /// There is something to read from the keyboard.
    pub(super) keys: bool,
    /// The connection broke.
    pub(super) lost: bool,
    /// Neither keys nor the wire: a signal.
    pub(super) signal: bool,
}

impl Link {
    /// A link that stands.
    pub(super) fn new(target: Target, connection: Connection) -> Self {
        Self { target, connection: Some(connection), names: Vec::new(), poller: Poller::new() }
    }

    /// The connection, opened again if need be; and whether there was need.
    pub(super) fn open(&mut self) -> Result<(&mut Connection, bool), Failure> {
        let fresh = self.connection.is_none();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.target.connect()?),
        };
        Ok((connection, fresh))
    }

    /// Gives the connection up.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// Waits for keys, or for the daemon to go away.
    pub(super) fn wait(&mut self, keys: BorrowedFd<'_>) -> Result<Waited, Failure> {
        let Some(connection) = &mut self.connection else {
            return self.wait_alone(keys);
        };
        let woken = connection.wait(Some(keys), None);
        // All that may come now is what is left of a reply that was given up.
        let lost = woken.is_err() || !matches!(connection.next(), Ok(None));
        if lost {
            self.close();
        }
        let Woken { wire, other } = woken.unwrap_or(Woken { wire: true, other: false });
        Ok(Waited { keys: other, lost, signal: !wire && !other })
    }

    fn wait_alone(&mut self, keys: BorrowedFd<'_>) -> Result<Waited, Failure> {
        self.poller.clear();
        let slot = self.poller.add(keys, Interest::Read);
        self.poller.wait(None).map_err(|error| {
            Failure::new(Kind::Failed, format!("cannot wait for keys: {}", cause(&error)))
        })?;
        let ready = self.poller.ready(slot);
        let keys = ready.read || ready.gone;
        Ok(Waited { keys, lost: false, signal: !keys })
    }

    /// The names of all programs and processes, as they are now; should the daemon be
    /// slow or gone, as they were last.
    pub(super) fn names(&mut self) -> Vec<String> {
        if let Some(connection) =
            self.connection.as_mut().filter(|connection| !connection.is_behind())
            && let Ok(Some(names)) = ask(connection)
        {
            self.names = names;
        }
        self.names.clone()
    }
}

/// Of all that the daemon tells of processes their pids are the least, and come with their
/// names. None: it took too long. A connection that breaks is noticed by the next wait.
fn ask(connection: &mut Connection) -> Result<Option<Vec<String>>, Failure> {
    let deadline = clock::now() + PATIENCE;
    let mut names = BTreeSet::new();
    connection.request(&["pid".to_owned(), "all".to_owned()])?;
    loop {
        while let Some(reply) = connection.next()? {
            match reply {
                Reply::Pid(PidRow { name: Some(name), .. }) => {
                    names.extend(program(&name).map(str::to_owned));
                    names.insert(name);
                }
                Reply::End(_) => {
                    names.retain(|name| !name.contains(char::is_control));
                    return Ok(Some(names.into_iter().collect()));
                }
                _ => {}
            }
        }
        let left = deadline.saturating_duration_since(clock::now());
        if left.is_zero() {
            connection.abandon();
            return Ok(None);
        }
        connection.wait(None, Some(left))?;
    }
}

/// The program of a process that is one of several: `web` of `web:1`.
fn program(name: &str) -> Option<&str> {
    name.rsplit_once(':').map(|(program, _)| program)
}
