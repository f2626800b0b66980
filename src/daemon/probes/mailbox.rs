//! What one process says by sd_notify(3): whose word counts, and how much of it.
//!
//! Heard are the process itself, its session and whatever descends from it: so systemd-notify(1)
//! in its start script is heard, and what an earlier life of the program has left behind is not.
//! A sender that has gone by now, as one that did not wait, cannot be looked at any more: it is
//! heard if it was the same user's, who could as well have killed the process.

use std::io;
use std::time::{Duration, Instant};

use super::notice::{self, Notice};
use crate::sys::children;
use crate::sys::notify::{LONGEST, Mailbox, Sender};

/// Datagrams that are read in a turn of the loop.
const A_TURN: usize = 16;

/// More datagrams than this within [`WINDOW`] have to wait for its end.
const MOST: u32 = 64;
const WINDOW: Duration = Duration::from_millis(100);

/// Where a process's notices arrive.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) mailbox: Mailbox,
    /// What its name ends with, in place of the process's; 0: it has the name that it should have.
    pub(super) number: u64,
    /// The user that the process runs as.
    user: u32,
    /// Since when, and how many have been read.
    window: Option<(Instant, u32)>,
    /// Whether somebody else's notice was told of.
    has_complained: bool,
}

/// One thing that was heard.
#[derive(Debug)]
pub(super) enum Heard {
    Notice(Notice),
    /// Somebody wrote whose word does not count; told once.
    Stranger(String),
}

impl Post {
    /// Opens it under this name.
    ///
    /// # Errors
    /// Those of binding a socket.
    pub(super) fn open(name: &str, number: u64, user: u32) -> io::Result<Self> {
        Ok(Self::of(Mailbox::bind(name.as_bytes())?, number, user))
    }

    /// One that is open.
    pub(super) fn of(mailbox: Mailbox, number: u64, user: u32) -> Self {
        Self { mailbox, number, user, window: None, has_complained: false }
    }

    /// The user that the process runs as.
    pub(super) fn user(&self) -> u32 {
        self.user
    }

    /// Reads what has come for the process with this pid, and tells whether there may be more.
    pub(super) fn read(&mut self, pid: i32, now: Instant) -> (Vec<Heard>, bool) {
        let mut heard = Vec::new();
        let mut buffer = [0; LONGEST];
        for _ in 0..A_TURN {
            let Ok(Some(datagram)) = self.mailbox.receive(&mut buffer) else {
                return (heard, false);
            };
            self.count(now);
            if !datagram.sender.is_some_and(|sender| self.counts(sender, pid)) {
                heard.extend(self.complain(datagram.sender));
                continue;
            }
            // Longer than any notice is: no notice.
            let text = datagram.length.and_then(|length| buffer.get(..length));
            heard.extend(text.map(|text| Heard::Notice(notice::parse(text))));
        }
        (heard, true)
    }

    fn count(&mut self, now: Instant) {
        let (since, count) = self.window.get_or_insert((now, 0));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }

    /// Until when nothing more is to be read: who floods waits, and nobody with it.
    pub(super) fn muted_until(&self) -> Option<Instant> {
        self.window.filter(|(_, count)| *count >= MOST).map(|(since, _)| since + WINDOW)
    }

    /// That time is over.
    pub(super) fn unmute(&mut self) {
        self.window = None;
    }

    fn counts(&self, sender: Sender, pid: i32) -> bool {
        let same_user = || [0, self.user].contains(&sender.uid);
        // 0: in a PID namespace where it cannot be looked at.
        let belongs = if sender.pid == 0 { None } else { children::belongs(sender.pid, pid) };
        belongs.unwrap_or_else(same_user)
    }

    fn complain(&mut self, sender: Option<Sender>) -> Option<Heard> {
        if std::mem::replace(&mut self.has_complained, true) {
            return None;
        }
        let who =
            sender.map_or_else(|| "nobody".to_owned(), |sender| format!("pid {}", sender.pid));
        Some(Heard::Stranger(format!("{who} is no part of it: what it notifies is not heard")))
    }
}
