//! What is to be told to the daemon: merged by stream, so that there is never more of it than
//! there are streams, and held back so that a stream tells of losses at most once a second.
//!
//! The first loss is told at once. What follows is added up until a second is over; so is word
//! that the stream has recovered, unless it loses again before. Where a stream or the logger
//! ends, nothing is held back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use super::message::Report;
use crate::sys::channel::Channel;

/// Time between two reports of losses of one stream.
const PAUSE: Duration = Duration::from_secs(1);

/// The reports that have not gone out.
#[derive(Debug, Default)]
pub(super) struct Reports {
    losses: BTreeMap<u64, Loss>,
    /// The streams that have something to tell, and when they may.
    due: BTreeSet<(Instant, u64)>,
    /// These wait for nothing but the daemon.
    answers: VecDeque<Report>,
}

/// A stream that loses bytes, or did until just now.
#[derive(Debug)]
struct Loss {
    /// Not told of yet.
    bytes: u64,
    cause: String,
    /// When it may tell again.
    next: Instant,
    has_recovered: bool,
    /// Whether the daemon has heard of it at all.
    is_known: bool,
}

impl Reports {
    /// A stream lost so many bytes.
    pub(super) fn lost(&mut self, id: u64, bytes: u64, cause: &str, now: Instant) {
        let loss = self.losses.entry(id).or_insert_with(|| Loss::new(now, false));
        loss.bytes = loss.bytes.saturating_add(bytes);
        loss.has_recovered = false;
        if loss.cause != cause {
            cause.clone_into(&mut loss.cause);
        }
        self.due.insert((loss.next, id));
    }

    /// The daemon knows from the logger before this one that a stream loses bytes.
    pub(super) fn are_known(&mut self, id: u64, now: Instant) {
        self.losses.insert(id, Loss::new(now, true));
    }

    /// Whether a daemon was told that a stream loses bytes, and not yet that this is over.
    pub(super) fn has_told(&self, id: u64) -> bool {
        self.losses.get(&id).is_some_and(|loss| loss.is_known)
    }

    /// A stream that lost bytes does so no more.
    pub(super) fn recovered(&mut self, id: u64) {
        if let Some(loss) = self.losses.get_mut(&id) {
            loss.has_recovered = true;
            self.due.insert((loss.next, id));
        }
    }

    /// What became of an order to clear.
    pub(super) fn cleared(&mut self, id: u64, error: Option<String>) {
        self.answers.push_back(Report::Cleared { id, error });
    }

    /// Who is answered is no more: the next one gives the same numbers to others.
    pub(super) fn drop_answers(&mut self) {
        self.answers.clear();
    }

    /// The order to remove a stream was obeyed, whether there was one or not.
    pub(super) fn removed(&mut self, id: u64) {
        self.ended(id);
        self.answers.push_back(Report::Removed { id });
    }

    /// A stream is no more: what is not told yet of its losses is told without delay; nothing, if
    /// nothing was added since they were last told.
    pub(super) fn ended(&mut self, id: u64) {
        if let Some(loss) = self.losses.remove(&id) {
            self.due.remove(&(loss.next, id));
            let Loss { bytes, cause, has_recovered, is_known, .. } = loss;
            if bytes > 0 || !is_known {
                self.answers.push_back(Report::Lost { id, bytes, cause });
            }
            if has_recovered {
                self.answers.push_back(Report::Recovered { id });
            }
        }
    }

    /// Nothing comes after this: what is held back is due.
    pub(super) fn hurry(&mut self, now: Instant) {
        self.due = std::mem::take(&mut self.due).into_iter().map(|(_, id)| (now, id)).collect();
        for (_, id) in &self.due {
            if let Some(loss) = self.losses.get_mut(id) {
                loss.next = now;
            }
        }
    }

    /// When there is something to send.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Sends what may go, and says whether all of it went: else the channel is full.
    pub(super) fn send(&mut self, channel: &Channel, now: Instant) -> bool {
        while let Some(answer) = self.answers.front() {
            if !put(channel, answer) {
                return false;
            }
            self.answers.pop_front();
        }
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            if let Some(loss) = self.losses.get_mut(&id) {
                if !loss.tell(id, channel, now) {
                    return false;
                }
                if loss.has_recovered {
                    self.losses.remove(&id);
                }
            }
            self.due.remove(&(at, id));
        }
        true
    }
}

impl Loss {
    fn new(now: Instant, is_known: bool) -> Self {
        Self { bytes: 0, cause: String::new(), next: now, has_recovered: false, is_known }
    }

    fn tell(&mut self, id: u64, channel: &Channel, now: Instant) -> bool {
        if self.bytes > 0 || !self.is_known {
            let report = Report::Lost { id, bytes: self.bytes, cause: self.cause.clone() };
            if !put(channel, &report) {
                return false;
            }
            (self.bytes, self.is_known) = (0, true);
            if !self.has_recovered {
                self.next = now + PAUSE;
            }
        }
        !self.has_recovered || put(channel, &Report::Recovered { id })
    }
}

/// Whether it has gone out; or never will, as when the daemon is no more.
fn put(channel: &Channel, report: &Report) -> bool {
    let sent = report.encode().and_then(|message| channel.send(&message, None));
    !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    fn received(channel: &Channel) -> Vec<Report> {
        let mut buffer = [0; 1024];
        let mut all = Vec::new();
        while let Ok((len, _)) = channel.recv(&mut buffer) {
            all.push(Report::decode(&buffer[..len]).unwrap());
        }
        all
    }

    fn lost(id: u64, bytes: u64) -> Report {
        Report::Lost { id, bytes, cause: "full".into() }
    }

    #[test]
    fn losses_are_told_once_a_second_and_none_is_forgotten() {
        let (ours, daemon) = Channel::pair().unwrap();
        let (mut reports, start) = (Reports::default(), clock::now());
        let at = |millis| start + Duration::from_millis(millis);
        for millis in 0..2500 {
            reports.lost(1, 10, "full", at(millis));
            assert!(reports.send(&ours, at(millis)));
        }
        assert_eq!(received(&daemon), [lost(1, 10), lost(1, 10_000), lost(1, 10_000)]);
        assert_eq!(reports.deadline(), Some(at(3000)));
        reports.recovered(1);
        assert!(reports.send(&ours, at(2999)) && received(&daemon).is_empty());
        assert!(reports.send(&ours, at(3000)));
        assert_eq!(received(&daemon), [lost(1, 4990), Report::Recovered { id: 1 }]);
        assert_eq!(reports.deadline(), None);
    }

    #[test]
    fn one_that_recovers_and_fails_again_at_once_is_not_told_as_recovered() {
        let (ours, daemon) = Channel::pair().unwrap();
        let (mut reports, start) = (Reports::default(), clock::now());
        reports.lost(1, 10, "full", start);
        reports.send(&ours, start);
        reports.recovered(1);
        reports.lost(1, 5, "full", start);
        reports.send(&ours, start + PAUSE);
        assert_eq!(received(&daemon), [lost(1, 10), lost(1, 5)]);
        reports.recovered(1);
        reports.send(&ours, start + PAUSE * 2);
        assert_eq!(received(&daemon), [Report::Recovered { id: 1 }]);
    }

    #[test]
    fn one_that_is_removed_tells_all_and_recovered_only_if_it_has() {
        let (ours, daemon) = Channel::pair().unwrap();
        let (mut reports, start) = (Reports::default(), clock::now());
        for id in [1, 2, 3] {
            reports.lost(id, 10, "full", start);
        }
        reports.send(&ours, start);
        assert_eq!(received(&daemon), [lost(1, 10), lost(2, 10), lost(3, 10)]);
        reports.lost(1, 5, "full", start);
        reports.lost(2, 5, "full", start);
        reports.recovered(2);
        for id in [1, 2, 3, 4] {
            reports.removed(id);
        }
        assert!(reports.send(&ours, start));
        let removed = |id| Report::Removed { id };
        let recovered = Report::Recovered { id: 2 };
        let told = [lost(1, 5), removed(1), lost(2, 5), recovered, removed(2), removed(3)];
        assert_eq!(received(&daemon), told.into_iter().chain([removed(4)]).collect::<Vec<_>>());
        assert_eq!(reports.deadline(), None);
    }

    #[test]
    fn a_daemon_that_does_not_listen_gets_all_of_it_later() {
        let (ours, daemon) = Channel::pair().unwrap();
        let (mut reports, start) = (Reports::default(), clock::now());
        let mut sums = BTreeMap::new();
        for round in 0..5 {
            for id in 0..1000 {
                reports.lost(id, 1, "full", start + PAUSE * round);
            }
            assert!(!reports.send(&ours, start + PAUSE * round), "the channel takes that much?");
        }
        loop {
            let all = reports.send(&ours, start + PAUSE * 5);
            for report in received(&daemon) {
                let Report::Lost { id, bytes, .. } = report else { panic!("{report:?}") };
                *sums.entry(id).or_insert(0) += bytes;
            }
            if all {
                break;
            }
        }
        assert_eq!(sums, (0..1000).map(|id| (id, 5)).collect());
    }
}
