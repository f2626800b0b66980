//! One process that is watched: what there is to hear from it and to ask of it, by its stage.

use std::rc::Rc;
use std::time::{Duration, Instant};

use super::attempt::{Answer, Attempt};
use super::line::Line;
use super::mailbox::Post;
use super::schedule::{Schedule, Verdict};
use super::stage::Stage;
use crate::config::{Health, HealthHow, Program, Ready, ReadyHow, Template, Url};
use crate::supervisor::Pid;

/// How long one connection may take where readiness is asked for: then the next is tried.
const READY_LIMIT: Duration = Duration::from_secs(5);

/// A descriptor of the set, and its number there.
#[derive(Debug)]
pub(super) struct Polled<T> {
    pub(super) it: T,
    pub(super) token: u64,
}

/// A probe in flight.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) attempt: Attempt,
    pub(super) token: u64,
    /// When its time is over; none: it is, or has no end.
    pub(super) until: Option<Instant>,
    /// How long it may take.
    pub(super) limit: Duration,
    /// It has been given up, and is only waited for: a command that was killed.
    pub(super) is_over: bool,
}

/// One process.
#[derive(Debug)]
pub(super) struct Watch {
    /// 0: it is being launched.
    pub(super) pid: Pid,
    pub(super) program: Rc<Program>,
    pub(super) stage: Stage,
    pub(super) post: Option<Polled<Post>>,
    pub(super) line: Option<Polled<Line>>,
    pub(super) watchdog: Option<Watchdog>,
    /// How often it says that it is alive, where it has set that itself; zero: not at all.
    pub(super) own_watchdog: Option<Duration>,
    pub(super) schedule: Option<Schedule>,
    pub(super) flight: Option<Flight>,
    /// What it says of itself; empty: nothing.
    pub(super) status: String,
    /// Why it was last found not to be ready or well.
    pub(super) complaint: Option<String>,
    /// The deadline that stands for it in the set.
    pub(super) armed: Option<Instant>,
}

/// It has to say that it is alive.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// At least this often.
    pub(super) time: Duration,
    /// When it last did.
    pub(super) fed: Instant,
}

/// What is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Question {
    Connect(std::net::SocketAddr, Option<Url>),
    Command(Vec<Template>),
}

impl Watch {
    pub(super) fn new(pid: Pid, program: Rc<Program>) -> Self {
        Self {
            pid,
            program,
            stage: Stage::Other,
            post: None,
            line: None,
            watchdog: None,
            own_watchdog: None,
            schedule: None,
            flight: None,
            status: String::new(),
            complaint: None,
            armed: None,
        }
    }

    fn ready(&self) -> Option<&Ready> {
        self.program.policy.ready.as_ref()
    }

    fn health(&self) -> Option<&Health> {
        self.program.policy.health.as_ref()
    }

    /// Whether it is ready when it says so.
    pub(super) fn is_notified(&self) -> bool {
        self.ready().is_some_and(|ready| ready.how == ReadyHow::Notify)
    }

    /// Begins a stage. What was asked in another is of no interest any more.
    pub(super) fn enter(&mut self, stage: Stage, now: Instant) {
        self.stage = stage;
        self.complaint = None;
        self.schedule = self.question().map(|_| Schedule::from(now));
        let time = self.own_watchdog.or_else(|| self.ready()?.watchdog);
        let time = time.filter(|time| stage == Stage::Running && !time.is_zero());
        self.watchdog = time.map(|time| Watchdog { time, fed: now });
    }

    /// What is asked in this stage, if anything.
    pub(super) fn question(&self) -> Option<Question> {
        match self.stage {
            Stage::Starting => match &self.ready()?.how {
                ReadyHow::Tcp(address) => Some(Question::Connect(*address, None)),
                ReadyHow::Exec(cmd) => Some(Question::Command(cmd.clone())),
                ReadyHow::Notify | ReadyHow::Fd(_) => None,
            },
            Stage::Running => match &self.health()?.how {
                HealthHow::Tcp(address) => Some(Question::Connect(*address, None)),
                HealthHow::Http(url) => Some(Question::Connect(url.address, Some(url.clone()))),
                HealthHow::Exec(cmd) => Some(Question::Command(cmd.clone())),
            },
            Stage::Other => None,
        }
    }

    /// How long an answer may take. That of a command that tells readiness has until the start
    /// has failed.
    pub(super) fn limit(&self) -> Option<Duration> {
        match (self.stage, self.ready().map(|ready| &ready.how), self.health()) {
            (Stage::Running, _, Some(health)) => Some(health.timeout),
            (_, Some(ReadyHow::Exec(_)), _) => None,
            _ => Some(READY_LIMIT),
        }
    }

    /// An answer has come: what it changes.
    pub(super) fn answered(&mut self, answer: &Answer, now: Instant) -> Option<Verdict> {
        self.complaint = answer.as_ref().err().cloned();
        let schedule = self.schedule.as_mut()?;
        match (self.stage, &self.program.policy.health) {
            (Stage::Starting, _) => {
                let verdict = schedule.is_ready(answer.is_ok(), now);
                // There is nothing more to ask.
                self.schedule.take_if(|_| verdict.is_some());
                verdict
            }
            (Stage::Running, Some(health)) => schedule.is_well(answer.is_ok(), health, now),
            (Stage::Running, None) | (Stage::Other, _) => None,
        }
    }

    /// What is known of it, in words: what is wrong with it, or else what it says.
    pub(super) fn note(&self) -> Option<String> {
        let says = || Some(&self.status).filter(|status| !status.is_empty());
        self.complaint.as_ref().or_else(says).cloned()
    }

    /// It says that it is alive.
    pub(super) fn feed(&mut self, now: Instant) {
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.fed = now;
        }
    }

    /// It says how often it will say so; zero: not at all.
    pub(super) fn set_watchdog(&mut self, time: Duration, now: Instant) {
        self.own_watchdog = Some(time);
        if self.stage == Stage::Running {
            self.watchdog = (!time.is_zero()).then_some(Watchdog { time, fed: now });
        }
    }

    /// Whether too much time has gone by without a word.
    pub(super) fn is_starved(&self, now: Instant) -> bool {
        self.watchdog.as_ref().is_some_and(|dog| dog.fed + dog.time <= now)
    }

    /// Whether what it says of its health counts.
    pub(super) fn is_running(&self) -> bool {
        self.stage == Stage::Running
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let next = match &self.flight {
            Some(flight) => flight.until,
            None => self.schedule.as_ref().map(Schedule::next),
        };
        let starves = self.watchdog.as_ref().map(|dog| dog.fed + dog.time);
        let muted = self.post.as_ref().and_then(|post| post.it.muted_until());
        [next, starves, muted].into_iter().flatten().min()
    }
}
