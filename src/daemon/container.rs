//! PID 1, as in a container: it goes on where another daemon would not start.
//!
//! An image's file system is often read-only. To end for that would end the container, and the
//! one who reads why looks at its output anyway: so what cannot be had is told there and done
//! without. Any other daemon refuses to start without its state folder, since a wrong path is a
//! mistake that should be seen at once.

use std::net::{SocketAddr, TcpListener};

use super::state_dir::{self, NoStateDir, StateDir};
use super::{Daemon, Refusal, cannot};
use crate::config::{self, Level, LogTarget};
use crate::protocol::hello::{Secret, hex};

/// Whether this process is the init of its PID namespace.
pub(super) fn is_init() -> bool {
    std::process::id() == 1
}

/// What was found of what should outlast this daemon.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) state_dir: StateDir,
    /// Why nothing can be kept.
    pub(super) without: Option<String>,
}

/// The state folder, or how to go on without it. The log goes to stderr then, unless it was
/// given a place of its own.
///
/// # Errors
/// That there is none, and this is no container.
pub(super) fn go_on_without(
    opened: Result<StateDir, NoStateDir>,
    daemon: &mut config::Daemon,
) -> Result<Found, Refusal> {
    match opened {
        Ok(state_dir) => Ok(Found { state_dir, without: None }),
        Err(NoStateDir::Unusable(why)) if is_init() => {
            log_elsewhere(daemon);
            Ok(Found { state_dir: StateDir::absent(daemon), without: Some(why) })
        }
        Err(NoStateDir::Unusable(why) | NoStateDir::Held(why)) => Err(cannot(why)),
    }
}

/// The log has no file where nothing can be kept.
pub(super) fn log_elsewhere(daemon: &mut config::Daemon) {
    if daemon.log.target == LogTarget::in_state_dir(&daemon.state_dir) {
        daemon.log.target = LogTarget::Stderr;
    }
}

/// The control port, and the secret that opens it.
#[derive(Debug)]
pub(super) struct Control {
    /// None: it is closed.
    pub(super) listener: Option<TcpListener>,
    /// Where it listens, or why it does not.
    pub(super) address: Result<SocketAddr, String>,
    pub(super) secret: Secret,
}

/// Opens the port to those who know the secret. Where nothing can be kept, none is made: nobody
/// could read it. Then there must be one already.
///
/// # Errors
/// That there is no secret, where one could have been made.
pub(super) fn control(
    listener: TcpListener,
    daemon: &config::Daemon,
    has_state: bool,
    nobodys: &[u8],
) -> Result<Control, Refusal> {
    let address = listener.local_addr().map_err(|error| cannot(super::cause(&error)))?;
    if has_state {
        let secret = state_dir::secret(&daemon.secret_file).map_err(cannot)?;
        return Ok(Control { listener: Some(listener), address: Ok(address), secret });
    }
    let named = daemon.secret_file != daemon.state_dir.join("secret");
    let why = match state_dir::read_secret(&daemon.secret_file) {
        Ok(secret) => {
            return Ok(Control { listener: Some(listener), address: Ok(address), secret });
        }
        Err(why) if named => why,
        Err(_) => "there is no secret: name a file with one in daemon.secret_file or \
                   $TASKMASTER_SECRET_FILE"
            .to_owned(),
    };
    // One that nobody knows, and nobody is asked for.
    let secret = Secret::from_file(hex(nobodys).as_bytes());
    let secret = secret.ok_or_else(|| cannot("there are no random bytes"))?;
    Ok(Control { listener: None, address: Err(why), secret })
}

impl Daemon {
    /// What is done without, at the top of the log.
    pub(super) fn announce_lack(&mut self, without: Option<&str>, closed: Option<&str>) {
        if let Some(why) = without {
            self.warn(&format!(
                "no state folder: {why}; nothing is kept, and output that is not sent elsewhere \
                 goes to the daemon's own"
            ));
        }
        if let Some(why) = closed {
            self.log(Level::Error, &format!("the control port stays closed: {why}"), &[]);
        }
    }
}
