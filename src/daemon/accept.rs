//! Newcomers.
//!
//! Who has not proved the secret yet gets one of a few places of their own; when there are no
//! more, the oldest of them goes. So strangers cannot keep out those who know it.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::client::Client;
use super::{Daemon, random};
use crate::sys::poll::{Interest, Poller};
use crate::sys::port;

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// That have not proved the secret.
    strangers: usize,
    /// That have.
    proved: usize,
}

impl Places {
    /// Of the open files that are `free` beside what the daemon cannot do without, a quarter for
    /// strangers and half for those who proved the secret: starts need some, too.
    pub(super) fn with_free(free: u64) -> Self {
        let share = |parts| usize::try_from(free / parts).unwrap_or(usize::MAX);
        Self { strangers: share(4).clamp(1, 32), proved: share(2).clamp(1, 1024) }
    }
}

/// Newcomers a turn, so that a flood of them takes turns with everything else; and fewer than
/// there are places for them, so that nobody is pushed out before there was a turn to be heard in.
const A_TURN: usize = 16;

impl Daemon {
    /// Lets in those who wait at the door.
    pub(super) fn accept(&mut self) {
        for _ in 0..A_TURN {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, peer)) => self.welcome(stream, peer.to_string()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The kernel looks for a descriptor before it looks who waits: nobody may.
                Err(error) if is_out_of_descriptors(&error) && !is_called(listener) => return,
                // A stranger goes before the newcomer does, who may be a friend.
                Err(error) if is_out_of_descriptors(&error) && self.drop_oldest_stranger() => {}
                Err(error) if is_out_of_descriptors(&error) => return self.turn_away(),
                // One that went away while it waited: the next.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(_) => return,
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, peer: String) {
        // One that has just hung up keeps its place no longer.
        let here = |client: &&Client| client.is_proved() && !client.is_over();
        let proved = self.clients.iter().filter(here).count();
        if proved >= self.places.proved {
            let _ = stream.set_nonblocking(true).and_then(|()| {
                let mut stream = &stream;
                stream.write_all(b"{\"error\":\"too many clients\"}\n")
            });
            return self.refused(&peer, "too many clients");
        }
        if self.clients.len() - proved >= self.places.strangers {
            self.drop_oldest_stranger();
        }
        let Ok(nonce) = random::nonce() else { return };
        if port::make_ready(&stream).is_ok() {
            self.clients.push(Client::new(stream, peer, nonce, self.now.at));
        }
    }

    /// Lets go of the one that has been a stranger for longest. False: there is none.
    fn drop_oldest_stranger(&mut self) -> bool {
        let strangers = self.clients.iter_mut().filter(|client| !client.is_proved());
        let Some(oldest) = strangers.min_by_key(|client| client.since) else { return false };
        oldest.lost();
        // One that was refused has been told of.
        let peer = (!oldest.is_held()).then(|| oldest.peer.clone());
        // Its descriptor is wanted now, not at the end of the turn.
        self.clients.retain(|client| client.is_proved() || !client.is_over());
        if let Some(peer) = peer {
            self.refused(&peer, "newer ones came before its hello");
        }
        true
    }

    /// What to poll the listener for: nothing while the spare descriptor is lost and cannot be had
    /// again, since newcomers that can be neither taken nor turned away would never let poll(2) rest.
    pub(super) fn door(&mut self) -> Interest {
        if self.spare.is_none() {
            self.spare = std::fs::File::open("/dev/null").ok();
        }
        if self.spare.is_some() { Interest::Read } else { Interest::None }
    }

    /// No descriptor is left: the spare one is given up to take the newcomer and end it. If it
    /// were left waiting, poll(2) would return for it again and again.
    fn turn_away(&mut self) {
        let Some(listener) = &self.listener else { return };
        self.spare = None;
        let turned_away = listener.accept().map(|(_, peer)| peer.to_string());
        self.spare = std::fs::File::open("/dev/null").ok();
        if let Ok(peer) = turned_away {
            self.refused(&peer, "no descriptor is left for it");
        }
    }
}

/// Whether somebody waits to be let in.
fn is_called(listener: &TcpListener) -> bool {
    let mut poller = Poller::new();
    let slot = poller.add(listener.as_fd(), Interest::Read);
    poller.wait(Some(Duration::ZERO)).is_ok() && poller.ready(slot).read
}

/// EMFILE and ENFILE.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(23 | 24))
}
