//! A proved connection to a daemon: requests go out, replies come in, in step.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::failure::{Failure, Kind};
use super::handshake::{Peer, greet};
use super::target::Target;
use super::wire::{Wire, Woken};
use crate::protocol::hello::Identity;
use crate::protocol::{LINE_LIMIT, Reply};
use crate::sys::poll::Poller;
use crate::sys::{cause, clock};

/// How long the other side may take to accept a connection, or a request's bytes; and how long one
/// is called again that hangs up.
const PATIENCE: Duration = Duration::from_secs(5);

/// How soon a daemon that hung up during the hello is called again.
const PAUSE: Duration = Duration::from_millis(10);

/// A daemon that has proved the secret, and to which it has been proved.
pub(super) struct Connection {
    /// Its address, for people.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its pid and its configuration file.
    pub(super) identity: Identity,
    wire: Wire,
    /// Replies still to come that nobody waits for any more.
    owed: usize,
}

impl Connection {
    /// Connects to the first of the addresses that takes it.
    ///
    /// A daemon at whose door many crowd hangs up on who has been there for longest, even if that
    /// is about to prove the secret: it is called again.
    pub(super) fn open(
        name: &str,
        addresses: &[SocketAddr],
        target: &Target,
    ) -> Result<Self, Failure> {
        let end = clock::now() + PATIENCE;
        loop {
            match Self::call(name, addresses, target) {
                Err(failure) if failure.kind == Kind::HungUp && clock::now() < end => {}
                called => return called,
            }
            // Nothing to wait for but time.
            let _ = Poller::new().wait(Some(PAUSE));
        }
    }

    fn call(name: &str, addresses: &[SocketAddr], target: &Target) -> Result<Self, Failure> {
        let stream = dial(name, addresses, target)?;
        let mut wire = Wire::new(stream).map_err(|cause| lost(name, &cause))?;
        let Peer { version, identity } = greet(&mut wire, name, target)?;
        Ok(Self { name: name.to_owned(), version, identity, wire, owed: 0 })
    }

    /// Sends a request of these words, quoted so that they arrive as the same words.
    pub(super) fn request(&mut self, words: &[String]) -> Result<(), Failure> {
        let line = request_line(words)?;
        self.send(line.as_bytes())
    }

    /// Asks the daemon to end the reply that it is at.
    pub(super) fn cancel(&mut self) -> Result<(), Failure> {
        self.send(b"\n")
    }

    /// Gives up the reply under way: what is still to come of it will be passed over.
    pub(super) fn abandon(&mut self) {
        self.owed += 1;
    }

    /// Whether the daemon still owes replies that were given up.
    pub(super) fn is_behind(&self) -> bool {
        self.owed > 0
    }

    /// The next reply that has come, if one has. Those of a kind that only a later shell knows are
    /// passed over.
    pub(super) fn next(&mut self) -> Result<Option<Reply>, Failure> {
        while let Some(line) = self.wire.next_line().map_err(|cause| lost(&self.name, &cause))? {
            let reply = Reply::from_line(&line).map_err(|error| {
                lost(&self.name, &format!("a reply that makes no sense: {error}"))
            })?;
            let Some(reply) = reply else { continue };
            if self.owed == 0 {
                return Ok(Some(reply));
            }
            if matches!(reply, Reply::End(_)) {
                self.owed -= 1;
            }
        }
        Ok(None)
    }

    /// Waits for something to come from the daemon, or to be read from `keys`.
    pub(super) fn wait(
        &mut self,
        keys: Option<BorrowedFd<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Woken, Failure> {
        self.wire.wait(keys, timeout).map_err(|cause| lost(&self.name, &cause))
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.wire.send(bytes, clock::now() + PATIENCE).map_err(|cause| lost(&self.name, &cause))
    }
}

/// The line that splits into these words again, newline included.
pub(super) fn request_line(words: &[String]) -> Result<String, Failure> {
    if let Some(word) = words.iter().find(|word| word.contains(char::is_control)) {
        return Err(Failure::new(
            Kind::Usage,
            format!("{word:?} holds a control character: no name, pattern or option has one"),
        ));
    }
    let line = shell_words::join(words) + "\n";
    if line.len() > LINE_LIMIT {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "the command is longer than {LINE_LIMIT} bytes: use a pattern, as web*, or all"
            ),
        ));
    }
    Ok(line)
}

fn dial(name: &str, addresses: &[SocketAddr], target: &Target) -> Result<TcpStream, Failure> {
    let mut why = None;
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = Some(error),
        }
    }
    let cause = match &why {
        Some(error) if error.kind() == ErrorKind::TimedOut => "no answer within 5 s".to_owned(),
        Some(error) => cause(error),
        None => "it has no address".to_owned(),
    };
    Err(Failure::new(
        Kind::Nobody,
        format!("no daemon answers at {name} ({cause}); {}", target.way_out()),
    ))
}

fn lost(name: &str, cause: &str) -> Failure {
    Failure::new(Kind::Lost, format!("the connection to the daemon at {name} is lost: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_request_arrives_as_the_same_words() {
        for sent in [
            words(&["start", "web:*"]),
            words(&["stop", "a b", "it's", "", "$HOME", "\"", "\\", "#", "wörter"]),
        ] {
            let line = request_line(&sent).unwrap();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(shell_words::split(line.trim_end()).unwrap(), sent);
        }
    }

    #[test]
    fn a_request_stays_on_its_line() {
        for word in ["web\nshutdown", "web\rx", "\u{1b}[2J", "\u{85}"] {
            assert_eq!(request_line(&words(&["stop", word])).unwrap_err().kind, Kind::Usage);
        }
        let long = words(&["stop", &"x".repeat(LINE_LIMIT)]);
        assert_eq!(request_line(&long).unwrap_err().kind, Kind::Usage);
    }
}
