//! A logger takes the place of another, as after an upgrade.
//!
//! At each moment one process besides the daemon holds every pipe, and never do two read from them:
//! the new logger is started beside the old one, waits for the end of that by itself, and has its door
//! under another name; once it was sent all pipes, the old one is told to finish; once that has ended,
//! the new one's door gets the name, and orders go on. A daemon that comes in between finds both, and
//! goes on with it.

use std::io;
use std::os::fd::OwnedFd;

use super::{Captures, Logger};
use crate::daemon::capture::Captured;
use crate::logger::Order;
use crate::sys::pidfd::PidFd;
use crate::sys::signals;

impl Logger {
    /// A descriptor by which its end can be waited for; none: that is not possible, or has come.
    ///
    /// # Errors
    /// Those of pidfd_open(2).
    pub(in crate::daemon) fn hold(&self) -> io::Result<Option<OwnedFd>> {
        let Some((pid, seen)) = self.known else { return Ok(None) };
        Ok(PidFd::open(pid, seen)?.map(Into::into))
    }

    /// Has it move what there is, and end. It is told once, as soon as the channel takes it.
    pub(in crate::daemon) fn finish(&mut self) {
        self.is_finishing = true;
        if self.has_its_last {
            return;
        }
        let sent = Order::Finish.encode().and_then(|message| self.channel.send(&message, None));
        // One that takes nothing any more has ended, which is seen.
        self.has_its_last = !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
    }
}

impl Captures {
    /// Has another logger take the place of this one, which is of the version before. One whose end
    /// cannot be waited for ends first.
    pub(in crate::daemon) fn replace_logger(&mut self) {
        let has_streams = !self.known.is_empty();
        if let Some(logger) = &mut self.logger
            && has_streams
            && matches!(logger.hold(), Ok(Some(_)))
        {
            logger.is_outdated = true;
        } else {
            self.finish_logger();
        }
    }

    /// Kills the one before, which does not end: what it has not moved stays in the pipes, and the one
    /// in its place moves that. Once; whether it was done now.
    pub(in crate::daemon) fn kill_before(&mut self) -> bool {
        let Some(before) = self.before.as_mut().filter(|before| !before.is_killed) else {
            return false;
        };
        before.is_killed = true;
        let held = before.known.and_then(|(pid, seen)| PidFd::open(pid, seen).ok().flatten());
        held.is_some_and(|held| held.send(signals::KILL, false).is_ok())
    }

    /// The one before the logger has ended. The new one was told what was lost when it was started:
    /// it is told again of the streams that lose by now.
    pub(in crate::daemon) fn before_ended(&mut self) {
        self.before = None;
        let is_losing = |captured: &&Captured| {
            self.known.get(&captured.id).is_some_and(|known| known.is_losing)
        };
        let losing = self.pipes.values().chain(&self.leaving).filter(is_losing);
        let adds: Vec<Order> = losing.filter_map(|captured| self.add_of(captured)).collect();
        adds.into_iter().for_each(|add| self.orders.push_front(add));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::capture::{Settings, Which};
    use crate::sys::channel::Channel;
    use crate::sys::{clock, identity};

    /// What has come over this end.
    fn told(channel: &Channel) -> Vec<Order> {
        let mut buffer = [0; 1024];
        let mut all = Vec::new();
        while let Ok((len @ 1.., _)) = channel.recv(&mut buffer) {
            all.push(Order::decode(&buffer[..len]).unwrap());
        }
        all
    }

    /// A logger that is this process, and its end of the channel.
    fn logger() -> (Logger, Channel) {
        let (ours, its) = Channel::pair().unwrap();
        let me = (std::process::id().try_into().unwrap(), identity::moment().unwrap());
        (Logger::new(Some(me), true, ours), its)
    }

    #[test]
    fn the_old_one_is_told_to_finish_once_the_new_one_holds_all_and_the_rest_waits_for_its_end() {
        let (old, old_end) = logger();
        let (new, new_end) = logger();
        let mut captures = Captures::default();
        captures.before = Some(old);
        let settings = |keep| {
            let path = "a.log".into();
            Settings { path, max_bytes: 0, keep, timestamps: false, owner: None }
        };
        let key = (std::rc::Rc::from("a"), 0, Which::Stdout);
        let other = (std::rc::Rc::from("b"), 0, Which::Stdout);
        captures.orders.push_back(Order::Await);
        captures.open(key.clone(), settings(0)).unwrap();
        captures.flush(clock::now());
        assert_eq!(told(&old_end), []);
        captures.logger = Some(new);
        captures.change(&key, settings(1));
        captures.flush(clock::now());
        captures.flush(clock::now());
        assert_eq!(told(&old_end), [Order::Finish]);
        let early = told(&new_end);
        assert!(matches!(early[..], [Order::Await, Order::Add(_)]), "{early:?}");
        // A stream that is new meanwhile does not wait.
        captures.open(other.clone(), settings(0)).unwrap();
        captures.flush(clock::now());
        let meanwhile = told(&new_end);
        assert!(matches!(meanwhile[..], [Order::Add(_)]), "{meanwhile:?}");

        // The last that the old one tells is that bytes are lost, of one that is captured no more, too.
        captures.count_lost(1, 5);
        captures.count_lost(2, 5);
        captures.close(&other, None);
        captures.before_ended();
        captures.flush(clock::now());
        let late = told(&new_end);
        let [Order::Add(leaving), Order::Add(stream), rest @ ..] = &late[..] else {
            panic!("{late:?}")
        };
        assert!(leaving.is_losing && stream.is_losing && (leaving.id, stream.id) == (2, 1));
        assert!(matches!(rest, [Order::Change(_), Order::Remove { id: 2 }]), "{rest:?}");
    }
}
