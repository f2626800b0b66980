//! The sockets that notices come to: how each is called, opened and read.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use super::mailbox::{Heard, Post};
use super::watch::{Polled, Watch};
use super::{Part, Probes, What};
use crate::supervisor::{Id, Process};
use crate::sys::poll::Interest;
use crate::sys::{cause, random};

impl Probes {
    /// Opens the socket of one that is about to be launched, and tells its name. Anybody may have
    /// taken the one that it should have: then it gets one that nobody can guess.
    pub(super) fn open_new_post(
        &mut self,
        id: Id,
        watch: &mut Watch,
        process: &Process,
        user: u32,
    ) -> Result<String, String> {
        let failed = |error: io::Error| format!("making the notify socket: {}", cause(&error));
        let mut number = 0;
        let opened = match self.open_post(id, process, number, user) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let nonce = random::nonce().map_err(failed)?;
                number = nonce.iter().fold(1, |all, byte| all << 8 | u64::from(*byte));
                self.open_post(id, process, number, user)
            }
            opened => opened,
        };
        watch.post = Some(opened.map_err(failed)?);
        Ok(self.name_of_post(process, number))
    }

    /// Opens the socket of this number: those that outlive a daemon go on writing to it.
    pub(super) fn open_post(
        &mut self,
        id: Id,
        process: &Process,
        number: u64,
        user: u32,
    ) -> io::Result<Polled<Post>> {
        let it = Post::open(&self.name_of_post(process, number), number, user)?;
        let token = self.set.add(it.mailbox.as_fd(), id, Part::Post, Interest::Read)?;
        Ok(Polled { it, token })
    }

    fn name_of_post(&self, process: &Process, number: u64) -> String {
        match number {
            0 => format!("{}/{}/{}", self.prefix, process.program.name, process.index),
            number => format!("{}/{number:016x}", self.prefix),
        }
    }

    /// The number of a process's notify socket, for who opens it again.
    pub(in crate::daemon) fn post_number(&self, id: Id) -> u64 {
        let post = self.watches.get(&id).and_then(|watch| watch.post.as_ref());
        post.map_or(0, |post| post.it.number)
    }

    /// Reads some of what has come, and tells whether there may be more.
    pub(super) fn read_post(&mut self, id: Id, now: Instant) -> bool {
        let Some(watch) = self.watches.get_mut(&id) else { return false };
        let Some(post) = &mut watch.post else { return false };
        // Nobody has a word to say before it has a pid.
        if watch.pid == 0 {
            return false;
        }
        let (heard, has_more) = post.it.read(watch.pid, now);
        if post.it.muted_until().is_some() {
            let fd = post.it.mailbox.as_fd();
            let _ = self.set.epoll.change(fd, post.token, Interest::None);
        }
        for heard in heard {
            match heard {
                Heard::Notice(notice) => self.notified(id, notice, now),
                Heard::Stranger(who) => self.tell(id, What::Unheard(who)),
            }
        }
        self.arm(id);
        has_more
    }
}
