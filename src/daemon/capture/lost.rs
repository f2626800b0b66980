//! What captured streams have lost: counted as long as their processes are configured, however often
//! they are captured anew, and told once as news and once as over.

use std::rc::Rc;

use super::{Captures, Key, Known, Which, Whose};
use crate::daemon::handover::KeptLoss;

impl Captures {
    /// Bytes of a process's output that were lost.
    pub(in crate::daemon) fn lost(&self, program: &Rc<str>, index: u32) -> u64 {
        let of = |which| {
            let key = (program.clone(), index, which);
            let now = self.pipes.get(&key).and_then(|captured| self.known.get(&captured.id));
            now.map_or(0, |known| known.lost) + self.lost_before.get(&key).unwrap_or(&0)
        };
        of(Which::Stdout) + of(Which::Stderr)
    }

    /// Counts what was lost. The stream, if that is news.
    pub(in crate::daemon) fn count_lost(&mut self, id: u64, bytes: u64) -> Option<Whose> {
        let known = self.known.get_mut(&id)?;
        known.lost += bytes;
        if known.is_leaving
            && known.was_of.is_none()
            && let Some(lost) = self.lost_before.get_mut(&known.key)
        {
            *lost += bytes;
        }
        let is_news = !known.is_losing && (bytes > 0 || !known.is_leaving);
        known.is_losing |= is_news;
        is_news.then(|| known.whose())
    }

    /// A stream is recorded again. The stream, and what it lost in all.
    pub(in crate::daemon) fn recovered(&mut self, id: u64) -> Option<(Whose, u64)> {
        // Two may tell of the same: one that ended, and the one in its place.
        let was_losing = std::mem::take(&mut self.known.get_mut(&id)?.is_losing);
        let known = self.known.get(&id).filter(|_| was_losing)?;
        Some((known.whose(), self.lost_in_all(known)))
    }

    /// What a stream lost since the daemon started, however often it was captured anew.
    fn lost_in_all(&self, known: &Known) -> u64 {
        match self.lost_before.get(&known.key) {
            // In which its own count is, too.
            Some(before) if known.is_leaving && known.was_of.is_none() => *before,
            Some(before) if !known.is_leaving => known.lost + before,
            _ => known.lost,
        }
    }

    /// The logger has emptied a stream that is captured no more. If it lost bytes to the end: the
    /// stream, and what it lost in all.
    pub(in crate::daemon) fn removed(&mut self, id: u64) -> Option<(Whose, u64)> {
        if !self.known.get(&id)?.is_leaving {
            return None;
        }
        self.leaving.retain(|left| left.id != id);
        let known = self.known.remove(&id)?;
        known.is_losing.then(|| (known.whose(), self.lost_in_all(&known)))
    }

    /// Those that lose bytes to the end, with what they lost in all. Once.
    pub(in crate::daemon) fn lost_to_the_end(&mut self) -> Vec<(Whose, u64)> {
        let losing = self.known.values().filter(|known| known.is_losing);
        let all = losing.map(|known| (known.whose(), self.lost_in_all(known))).collect();
        self.known.values_mut().for_each(|known| known.is_losing = false);
        all
    }

    /// What streams lost before they were captured no more, for the next version.
    pub(in crate::daemon) fn keep_lost(&self) -> Vec<KeptLoss> {
        let keep = |((program, index, which), bytes): (&Key, &u64)| KeptLoss {
            of: (program.to_string(), *index, which.name().to_owned()),
            bytes: *bytes,
        };
        self.lost_before.iter().map(keep).collect()
    }

    /// What the version before this one kept of that.
    pub(in crate::daemon) fn take_up_lost(&mut self, lost: Vec<KeptLoss>) {
        for KeptLoss { of: (program, index, which), bytes } in lost {
            if let Some(which) = Which::parse(&which) {
                self.lost_before.insert((Rc::from(program), index, which), bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LEAVING, Settings};
    use super::*;
    use std::path::PathBuf;

    fn key(index: u32) -> Key {
        (Rc::from("a"), index, Which::Stdout)
    }

    /// The stream of a process that is gone.
    fn gone(index: u32) -> Whose {
        (key(index), Some(format!("a:{index}")))
    }

    /// Captures a stream of each of so many processes. Their numbers.
    fn captured(captures: &mut Captures, count: u32) -> Vec<u64> {
        let path = PathBuf::from("a.log");
        let settings = Settings { path, max_bytes: 0, keep: 0, timestamps: false, owner: None };
        for index in 0..count {
            captures.open(key(index), settings.clone()).unwrap();
        }
        (0..count).map(|index| captures.pipes[&key(index)].id).collect()
    }

    #[test]
    fn a_stream_that_recovers_as_it_leaves_is_not_lost_to_the_end() {
        let mut captures = Captures::default();
        let id = captured(&mut captures, 1)[0];
        assert_eq!(captures.count_lost(id, 5), Some((key(0), None)));
        captures.close(&key(0), Some("a:0"));
        assert_eq!(captures.count_lost(id, 7), None);
        assert_eq!(captures.recovered(id), Some((gone(0), 12)));
        assert_eq!(captures.removed(id), None);
    }

    #[test]
    fn what_a_stream_that_leaves_loses_is_news_once_and_lost_to_the_end_once_it_is_removed() {
        let mut captures = Captures::default();
        let id = captured(&mut captures, 1)[0];
        captures.close(&key(0), Some("a:0"));
        // One that was under way already, and the last.
        assert_eq!(captures.count_lost(id, 5), Some(gone(0)));
        assert_eq!(captures.count_lost(id, 7), None);
        assert_eq!(captures.removed(id), Some((gone(0), 12)));
        assert_eq!(captures.removed(id), None);
        assert_eq!((captures.leaving.len(), captures.known.len()), (0, 0));
    }

    #[test]
    fn what_a_stream_lost_counts_as_long_as_its_process_is_there() {
        let mut captures = Captures::default();
        let lost = |captures: &Captures| captures.lost(&Rc::from("a"), 0);
        let first = captured(&mut captures, 1)[0];
        captures.count_lost(first, 5);
        captures.release(&key(0));
        assert_eq!(lost(&captures), 5);
        let second = captured(&mut captures, 1)[0];
        captures.count_lost(first, 7);
        captures.count_lost(second, 1);
        assert_eq!(lost(&captures), 13);
        assert_eq!(captures.removed(first), Some(((key(0), None), 12)));
        assert_eq!(captures.recovered(second), Some(((key(0), None), 13)));

        captures.close(&key(0), Some("a:0"));
        captures.count_lost(second, 1);
        assert_eq!(captures.removed(second), Some((gone(0), 14)));
        captured(&mut captures, 1);
        assert_eq!(lost(&captures), 0);
    }

    #[test]
    fn two_loggers_that_tell_of_the_same_recovery_make_one() {
        let mut captures = Captures::default();
        let id = captured(&mut captures, 1)[0];
        captures.count_lost(id, 5);
        assert_eq!(captures.recovered(id), Some(((key(0), None), 5)));
        assert_eq!(captures.recovered(id), None);
    }

    #[test]
    fn however_many_leave_at_once_what_each_loses_is_counted() {
        let mut captures = Captures::default();
        let ids = captured(&mut captures, 20);
        (0..20).for_each(|index| captures.close(&key(index), Some(&format!("a:{index}"))));
        assert_eq!(captures.leaving.len(), LEAVING);
        for (index, id) in (0..20).zip(ids) {
            assert_eq!(captures.count_lost(id, 5), Some(gone(index)));
            assert_eq!(captures.removed(id), Some((gone(index), 5)));
        }
        assert_eq!((captures.leaving.len(), captures.known.len()), (0, 0));
    }
}
