//! What an upgrade waits for.
//!
//! Mail and hooks under way: the next version could not know them from children that are no
//! program's. When its time is over it kills them.
//!
//! And the end of a logger whose place another takes: the next version, which may be an older one, is
//! handed over one logger alone. When the time for that is over, the upgrade is refused.

use std::time::{Duration, Instant};

use super::Daemon;
use super::report::Reporting;
use crate::config::Level;

/// How long it waits for a logger.
const PATIENCE: Duration = Duration::from_secs(5);

/// How an upgrade stands to messages and hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// None is under way.
    Over,
    /// They are waited for.
    Waits,
    /// They have been killed, and their ends are waited for.
    Killed,
}

impl Reporting {
    /// Whether an upgrade may go on. What is under way after `until` is killed.
    fn rest(&mut self, until: Instant, now: Instant) -> Rest {
        if self.helpers.count() == 0 && self.backlog.is_empty() {
            return Rest::Over;
        }
        if now < until {
            return Rest::Waits;
        }
        self.helpers.kill();
        Rest::Killed
    }
}

impl Daemon {
    /// Whether the end of a logger whose place another takes has to be waited for.
    ///
    /// # Errors
    /// That it did not come in time.
    pub(super) fn waits_for_logger(&mut self) -> Result<bool, String> {
        let Some(upgrade) = self.upgrade.as_mut().filter(|_| self.captures.before.is_some()) else {
            return Ok(false);
        };
        match upgrade.logger_until {
            None => {
                upgrade.logger_until = Some(self.now.at + PATIENCE);
                self.log(Level::Info, "the upgrade waits for the last version's logger", &[]);
                Ok(true)
            }
            Some(until) if self.now.at < until => Ok(true),
            Some(_) => {
                let patience = PATIENCE.as_secs();
                Err(format!("the last version's logger did not end within {patience} s"))
            }
        }
    }

    /// Whether nobody has to be waited for any more who sends mail or is a hook.
    pub(super) fn is_at_rest(&mut self) -> bool {
        let Some((until, before)) = self.upgrade.as_ref().map(|it| (it.until, it.rest)) else {
            return true;
        };
        let rest = self.reports_rest(until, before);
        if let Some(upgrade) = &mut self.upgrade {
            upgrade.rest = rest;
        }
        rest == Rest::Over
    }

    /// How an upgrade that waits until then stands to what is under way; `before` is how it stood
    /// when this was last asked. The ends of those that are killed are told of like any others.
    fn reports_rest(&mut self, until: Instant, before: Rest) -> Rest {
        let running = self.reporting.helpers.count().to_string();
        let rest = self.reporting.rest(until, self.now.at);
        let told = match rest {
            Rest::Over => None,
            Rest::Waits => Some((Level::Info, "the upgrade waits for mail and hooks under way")),
            Rest::Killed => Some((Level::Warning, "the upgrade kills mail and hooks under way")),
        };
        if let Some((level, message)) = told.filter(|_| rest != before) {
            self.log(level, message, &[("running", &running)]);
        }
        let left = if rest == Rest::Killed { self.reporting.backlog.abandon() } else { 0 };
        if left > 0 {
            let left = left.to_string();
            self.log(Level::Error, "hooks were not run", &[("runs", &left)]);
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Hook, Occasions};
    use crate::daemon::helpers::{Kind, Order};
    use crate::supervisor::Exit;
    use crate::sys::spawn::{Launcher, Mode};
    use crate::sys::wait::{self, End};
    use crate::sys::{clock, signals};

    fn hook(reporting: &mut Reporting, now: Instant) -> i32 {
        let order = Order {
            kind: Kind::Hook("sleep".into()),
            argv: vec![c"sleep".into(), c"1000".into()],
            envp: Vec::new(),
            files: vec![c"/bin/sleep".into()],
            mode: Mode::Together,
            limits: Vec::new(),
            input: Vec::new(),
            timeout: Duration::from_secs(1000),
        };
        reporting.helpers.start(&mut Launcher::new(), order, now).unwrap()
    }

    #[test]
    fn an_upgrade_waits_for_what_is_under_way_until_its_time_is_over_and_then_kills_it() {
        let (mut reporting, now) = (Reporting::default(), clock::now());
        let until = now + Duration::from_secs(20);
        assert_eq!(reporting.rest(until, until), Rest::Over);
        let pid = hook(&mut reporting, now);
        let nearly = until - Duration::from_millis(1);
        assert_eq!([now, nearly].map(|now| reporting.rest(until, now)), [Rest::Waits; 2]);
        assert_eq!(wait::has_ended(pid), None, "it goes on");
        assert_eq!(reporting.rest(until, until), Rest::Killed);
        let mut end = None;
        while end.is_none() {
            end = wait::has_ended(pid);
        }
        assert_eq!(end, Some((pid, End::Signal(signals::KILL))));
        // Its end is still to be told of.
        assert_eq!(reporting.rest(until, until), Rest::Killed);
        wait::reap(pid);
        let ended = reporting.helpers.ended(pid, Exit::Signal(signals::KILL)).unwrap();
        assert_eq!((ended.how().as_str(), ended.timed_out), ("killed by KILL", None));
        assert_eq!(reporting.rest(until, until), Rest::Over);
    }

    #[test]
    fn an_upgrade_waits_for_hooks_that_wait_for_their_turn() {
        let (mut reporting, now) = (Reporting::default(), clock::now());
        let hook = Hook {
            on: Occasions::default(),
            cmd: vec!["true".into()],
            timeout: Duration::from_secs(1),
        };
        reporting.backlog.add(&hook, "{}");
        assert_eq!(reporting.rest(now + Duration::from_secs(20), now), Rest::Waits);
        assert_eq!(reporting.backlog.abandon(), 1);
        assert_eq!(reporting.rest(now, now), Rest::Over);
    }
}
