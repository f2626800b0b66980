//! When a message goes out, and what it tells.
//!
//! * The first event is due at once. What follows within `digest` of a message is gathered, and
//!   due as one when that time is over.
//! * One message is under way at a time. It comes back as [`Outbox::sent`] or
//!   [`Outbox::failed`]; what could not be sent goes back to the front of what has been gathered,
//!   and is tried again after a delay that doubles. So nothing is dropped, there is one message
//!   waiting at most, and it grows no further than a [`Digest`] does.
//! * When the daemon ends ([`Outbox::hurry`]), what is left is due now, once.
//!
//! Pure: time comes in, and the daemon does what is due.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::digest::{Digest, News};
use super::lately::Lately;

/// The first delay after a failure is `digest`, within these bounds.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST_FIRST: Duration = Duration::from_secs(60);

/// The longest delay.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What has happened, and what of it is being sent.
#[derive(Debug)]
pub struct Outbox {
    /// See `mail.digest`.
    digest: Duration,
    waiting: Digest,
    under_way: Option<Digest>,
    /// Before this nothing goes out.
    not_before: Option<Instant>,
    /// Failures since the last message that was sent.
    failures: u32,
    lately: Lately,
    /// The daemon ends.
    is_ending: bool,
    /// The last chance has been taken, in vain.
    is_over: bool,
}

/// What one outbox leaves to another.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    waiting: Digest,
    /// Before this has passed nothing goes out.
    wait: Duration,
}

impl Outbox {
    /// An empty one.
    pub fn new(digest: Duration) -> Self {
        Self {
            digest,
            waiting: Digest::default(),
            under_way: None,
            not_before: None,
            failures: 0,
            lately: Lately::default(),
            is_ending: false,
            is_over: false,
        }
    }

    /// The section says something else now. What failed by the old one is tried at once.
    pub fn change(&mut self, digest: Duration) {
        self.digest = digest;
        self.not_before = None;
        self.failures = 0;
    }

    /// Something has happened.
    pub fn add(&mut self, news: News, now: Instant) {
        let lately = self.lately.count(news.event, news.process.as_deref(), now);
        self.waiting.add(news, lately);
    }

    /// What waits, for an outbox that goes on in this one's place.
    pub fn untold(&self, now: Instant) -> Untold {
        let wait = self.not_before.map(|at| at.saturating_duration_since(now));
        Untold { waiting: self.waiting.clone(), wait: wait.unwrap_or_default() }
    }

    /// Goes on in the place of one that has left this.
    pub fn take_up(&mut self, untold: Untold, now: Instant) {
        self.waiting.append(untold.waiting);
        self.not_before = now.checked_add(untold.wait);
    }

    /// When the next message is due; none: there is none, or one is under way.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let may = self.under_way.is_none() && !self.waiting.is_empty() && !self.is_over;
        may.then(|| self.not_before.filter(|_| !self.is_ending).unwrap_or(now).max(now))
    }

    /// What the next message would tell.
    pub fn waiting(&self) -> &Digest {
        &self.waiting
    }

    /// The next message, if it is due: it is under way now.
    pub fn take(&mut self, now: Instant) -> Option<&Digest> {
        self.due(now).filter(|at| *at <= now)?;
        self.not_before = Some(now + self.digest);
        Some(self.under_way.insert(std::mem::take(&mut self.waiting)))
    }

    /// The message has been sent.
    pub fn sent(&mut self) {
        self.under_way = None;
        self.failures = 0;
    }

    /// The message could not be sent. How long it is until it is tried again.
    pub fn failed(&mut self, now: Instant) -> Duration {
        let Some(mut unsent) = self.under_way.take() else { return Duration::ZERO };
        unsent.attempts = unsent.attempts.saturating_add(1);
        unsent.append(std::mem::take(&mut self.waiting));
        self.waiting = unsent;
        let first = self.digest.clamp(SHORTEST, LONGEST_FIRST);
        let delay = first.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + delay);
        self.is_over = self.is_ending;
        delay
    }

    /// The daemon ends: what is left is due now.
    pub fn hurry(&mut self) {
        self.is_ending = true;
    }

    /// Whether nothing is under way, nor will be unless something happens.
    pub fn is_done(&self) -> bool {
        self.under_way.is_none() && (self.waiting.is_empty() || self.is_over)
    }

    /// Gives up. How many events nobody was told of.
    pub fn abandon(&mut self) -> u64 {
        let under_way = self.under_way.take().map_or(0, |digest| digest.events());
        under_way.saturating_add(std::mem::take(&mut self.waiting).events())
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::tests::news;
    use super::*;
    use crate::config::EventName;
    use crate::sys::clock;

    /// An outbox, and a clock that only moves when it is told to.
    struct Story {
        outbox: Outbox,
        start: Instant,
        now: Instant,
    }

    impl Story {
        fn begin(digest: u64) -> Self {
            let now = clock::now();
            Self { outbox: Outbox::new(Duration::from_secs(digest)), start: now, now }
        }

        fn happens(&mut self, process: &str) {
            let news = news(EventName::Fatal, process, "12:00:00", "exit 1");
            self.outbox.add(news, self.now);
        }

        fn at(&mut self, second: u64) -> &mut Self {
            self.now = self.start + Duration::from_secs(second);
            self
        }

        /// The second at which a message is due.
        fn due(&self) -> Option<u64> {
            self.outbox.due(self.now).map(|at| at.duration_since(self.start).as_secs())
        }

        /// How many events are in the message that goes out now.
        fn goes(&mut self) -> Option<u64> {
            self.outbox.take(self.now).map(Digest::events)
        }
    }

    #[test]
    fn the_first_goes_at_once_and_what_follows_as_one() {
        let mut story = Story::begin(30);
        assert_eq!(story.due(), None);
        story.happens("a");
        assert_eq!((story.due(), story.goes()), (Some(0), Some(1)));
        story.outbox.sent();
        for second in 1..=20 {
            story.at(second).happens("b");
            assert_eq!((story.due(), story.goes()), (Some(30), None));
        }
        assert_eq!(story.at(30).goes(), Some(20));
        story.outbox.sent();
        assert_eq!(story.at(90).due(), None);
        story.happens("c");
        assert_eq!(story.goes(), Some(1), "after a quiet time the next is a first one again");
    }

    #[test]
    fn one_is_under_way_at_a_time() {
        let mut story = Story::begin(1);
        story.happens("a");
        assert_eq!(story.goes(), Some(1));
        story.at(100).happens("b");
        assert_eq!((story.due(), story.goes()), (None, None));
        story.outbox.sent();
        assert_eq!(story.goes(), Some(1));
    }

    #[test]
    fn a_failure_is_tried_again_later_and_later_and_loses_nothing() {
        let mut story = Story::begin(30);
        story.happens("a");
        let (mut at, mut count) = (0, 1);
        for delay in [30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(story.at(at).goes(), Some(count));
            story.happens("a");
            count += 1;
            assert_eq!(story.outbox.failed(story.now), Duration::from_secs(delay));
            at += delay;
            assert_eq!(story.due(), Some(at));
        }
        assert_eq!(story.at(at).goes(), Some(count));
        assert_eq!(story.outbox.under_way.as_ref().unwrap().attempts, 7);
        story.outbox.sent();
        assert!(story.outbox.is_done());
    }

    #[test]
    fn an_end_waits_for_no_window_but_tries_once() {
        let mut story = Story::begin(30);
        story.happens("a");
        story.goes();
        story.outbox.sent();
        story.at(1).happens("b");
        story.outbox.hurry();
        assert_eq!((story.due(), story.goes()), (Some(1), Some(1)));
        story.happens("c");
        assert!(!story.outbox.is_done());
        story.outbox.failed(story.now);
        assert!(story.outbox.is_done() && story.due().is_none());
        assert_eq!(story.outbox.abandon(), 2);
    }

    #[test]
    fn a_storm_is_a_handful_of_messages_with_nothing_uncounted() {
        let mut story = Story::begin(30);
        let (mut messages, mut told) = (0, 0);
        for n in 0..1000 {
            story.happens(&format!("a:{n}"));
            story.at(n / 40);
            if let Some(events) = story.goes() {
                story.outbox.sent();
                messages += 1;
                told += events;
            }
        }
        told += story.at(30).goes().unwrap();
        assert_eq!((messages + 1, told), (2, 1000));
    }

    #[test]
    fn a_changed_section_is_tried_at_once() {
        let mut story = Story::begin(30);
        story.happens("a");
        story.goes();
        story.outbox.failed(story.now);
        story.outbox.change(Duration::from_secs(5));
        assert_eq!(story.goes(), Some(1));
    }
}
