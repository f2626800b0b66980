//! Reports: events to the outbox and to hooks, and what is due out of the door.
//!
//! What goes out when is decided by [`Outbox`] and [`Backlog`]; here it is done. Nothing is
//! written to a mail server, read from a log or looked up by name in this process.

use std::ffi::CString;
use std::time::{Duration, Instant};

use super::backlog::Backlog;
use super::capture::Which;
use super::helpers::{Ended, Helpers, Kind, Order};
use super::{Daemon, recipe};
use crate::config::{Level, Mail, MailOn, Occasions};
use crate::mail::{Errand, News, Outbox, Output, Place, UNREACHED, Untold, compose};
use crate::protocol::{EventName, EventRow, ExitRow};
use crate::supervisor::Exit;
use crate::sys::{exec, process};

/// How long the end of the daemon waits for what is still to be told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Processes whose output a message shows.
const SHOWN: usize = 5;

/// How long a message waits for the logger to record what a process printed before it ended, ...
const SETTLED: Duration = Duration::from_secs(2);

/// ... and how often that is looked at.
const BEAT: Duration = Duration::from_millis(20);

/// What is to be told, and who is telling it.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    /// None: there is no `mail:`.
    outbox: Option<Outbox>,
    pub(super) backlog: Backlog,
    pub(super) helpers: Helpers,
    /// The process that sends the message that is under way.
    sender: Option<i32>,
    /// Since when a message that is due waits for the logger.
    settling: Option<Instant>,
    /// When that is looked at again.
    look_at: Option<Instant>,
    /// Since when the daemon's end waits for all this.
    ending: Option<Instant>,
    /// It waits no longer.
    is_over: bool,
}

impl Reporting {
    /// When something is due.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let message = self.outbox.as_ref().and_then(|outbox| outbox.due(now));
        let message = message.map(|at| self.look_at.map_or(at, |look| look.max(at)));
        let ending = self.ending.map(|since| since + PATIENCE).filter(|at| *at > now);
        [message, self.helpers.due(), ending].into_iter().flatten().min()
    }

    /// Somebody cannot wait: the daemon ends without what is still to be told.
    pub(super) fn give_up(&mut self) {
        self.is_over = true;
    }
}

impl Daemon {
    /// What no message has told yet, for the next version of the daemon.
    pub(super) fn untold(&self) -> Untold {
        let outbox = self.reporting.outbox.as_ref();
        outbox.map(|outbox| outbox.untold(self.now.at)).unwrap_or_default()
    }

    /// The same from the version before.
    pub(super) fn take_up_untold(&mut self, untold: Untold) {
        if let Some(outbox) = &mut self.reporting.outbox {
            outbox.take_up(untold, self.now.at);
        }
    }

    /// An event has been published.
    pub(super) fn report(&mut self, event: &EventRow) {
        let now = self.now.at;
        if self.is_mailed(event)
            && let Some(outbox) = &mut self.reporting.outbox
        {
            outbox.add(news(event), now);
        }
        let hooks = &self.config.hooks;
        let mut line = None;
        for hook in hooks.iter().filter(|hook| is_one_of(&hook.on, event)) {
            let line = line.get_or_insert_with(|| json(event));
            self.reporting.backlog.add(hook, line);
        }
    }

    /// Whether a message tells of it, by the section's word and the program's.
    fn is_mailed(&self, event: &EventRow) -> bool {
        let Some(mail) = &self.config.mail else { return false };
        let program = event.name.as_deref().map(|name| name.split(':').next().unwrap_or(name));
        let program = program.and_then(|name| self.config.programs.get(name));
        match program.and_then(|program| program.mail.as_ref()) {
            Some(MailOn::Bool(false)) => false,
            Some(MailOn::Only(occasions)) => is_one_of(occasions, event),
            Some(MailOn::Bool(true)) | None => is_one_of(&mail.on, event),
        }
    }

    /// The configuration says something, or something else, about mail. Hooks are looked up in it.
    pub(super) fn change_mail(&mut self) {
        let Some(mail) = &self.config.mail else {
            self.reporting.sender = None;
            let left = self.reporting.outbox.take().map_or(0, |mut outbox| outbox.abandon());
            if left > 0 {
                let left = left.to_string();
                let message = "mail: gone from the configuration with events that were not sent";
                self.log(Level::Warning, message, &[("events", &left)]);
            }
            return;
        };
        match &mut self.reporting.outbox {
            Some(outbox) => outbox.change(mail.digest),
            None => self.reporting.outbox = Some(Outbox::new(mail.digest)),
        }
    }

    /// Kills helpers whose time is over, and starts those whose time has come.
    pub(super) fn tend_reports(&mut self) {
        let now = self.now.at;
        self.reporting.helpers.tick(now);
        self.tend_mail(now);
        while let Some((hook, event)) = self.reporting.backlog.next(self.reporting.helpers.hooks())
        {
            self.run_hook(&hook.cmd, event, hook.timeout);
        }
        if let Some(dropped) = self.reporting.backlog.dropped() {
            let dropped = dropped.to_string();
            let message = "too many events at once: hooks were not run for all";
            self.log(Level::Error, message, &[("runs", &dropped)]);
        }
    }

    fn tend_mail(&mut self, now: Instant) {
        let Some(outbox) = &self.reporting.outbox else { return };
        if outbox.due(now).is_none_or(|at| at > now) || !self.is_settled(now) {
            return;
        }
        let outputs = self.outputs_of_waiting();
        let place = self.place();
        let supervisor = &self.supervisor;
        let state_now = |name: &str| {
            let (program, index) = split(name);
            let process = supervisor.get(supervisor.find(&program.into(), index)?)?;
            let pid = process.state.process().map(|(pid, _)| format!(", pid {pid}"));
            Some(format!("{}{}", process.state.name(), pid.unwrap_or_default()))
        };
        let Some(mail) = &self.config.mail else { return };
        let Some(outbox) = &mut self.reporting.outbox else { return };
        let Some(digest) = outbox.take(now) else { return };
        let errand = errand(mail, compose(digest, &place, &state_now), outputs, place.host);
        let Ok(input) = serde_json::to_vec(&errand) else { return };
        let order = mail_order(input, mail.timeout, self.kitchen.inherited_limits().collect());
        match self.reporting.helpers.start(&mut self.launcher, order, now) {
            Ok(pid) => self.reporting.sender = Some(pid),
            Err(failure) => {
                self.mail_failed(&format!("starting the sender: {}", recipe::cause_of(&failure)));
            }
        }
    }

    /// Whether what the processes of the next message have printed is in their logs, or had time
    /// enough to get there.
    fn is_settled(&mut self, now: Instant) -> bool {
        let Some(outbox) = &self.reporting.outbox else { return true };
        let has_more = |name: &&str| {
            let (program, index) = split(name);
            [Which::Stdout, Which::Stderr]
                .iter()
                .any(|which| self.captures.has_unrecorded(&(program.into(), index, *which)))
        };
        let waits = outbox.waiting().processes(SHOWN).iter().any(has_more);
        let since = *self.reporting.settling.get_or_insert(now);
        if waits && now < since + SETTLED {
            self.reporting.look_at = Some(now + BEAT);
            return false;
        }
        self.reporting.settling = None;
        self.reporting.look_at = None;
        true
    }

    /// The logs of the processes in the next message.
    fn outputs_of_waiting(&self) -> Vec<Output> {
        let Some(outbox) = &self.reporting.outbox else { return Vec::new() };
        let mut outputs: Vec<Output> = Vec::new();
        for name in outbox.waiting().processes(SHOWN) {
            let (program, index) = split(name);
            let id = self.supervisor.find(&program.into(), index);
            let Some(process) = id.and_then(|id| self.supervisor.get(id)) else { continue };
            for which in [Which::Stderr, Which::Stdout] {
                let Ok(path) = self.log_path(process, which) else { continue };
                if outputs.iter().any(|known| known.path == path) {
                    continue;
                }
                let (process, stream) = (name.to_owned(), which.name().to_owned());
                outputs.push(Output { process, stream, path });
            }
        }
        outputs
    }

    fn place(&self) -> Place {
        Place { host: process::host_name(), file: self.file.display().to_string() }
    }

    fn run_hook(&mut self, cmd: &[String], event: String, timeout: Duration) {
        let shown = cmd.first().cloned().unwrap_or_default();
        let argv = cmd.iter().filter_map(|word| CString::new(word.as_str()).ok()).collect();
        let files = exec::candidates(&shown, self.kitchen.path().as_deref());
        let order = Order {
            kind: Kind::Hook(shown.clone()),
            argv,
            envp: self.kitchen.own_environment(),
            mode: self.kitchen.mode(&files, None),
            files,
            limits: self.kitchen.inherited_limits().collect(),
            input: event.into_bytes(),
            timeout,
        };
        if let Err(failure) = self.reporting.helpers.start(&mut self.launcher, order, self.now.at) {
            let reason = recipe::cause_of(&failure);
            let facts = [("command", shown.as_str()), ("reason", reason.as_str())];
            self.log(Level::Error, "hook could not be run", &facts);
        }
    }

    /// A sender or a hook has ended.
    pub(super) fn helper_ended(&mut self, pid: i32, exit: Exit) {
        let Some(ended) = self.reporting.helpers.ended(pid, exit) else { return };
        let is_awaited = self.reporting.sender.take_if(|sender| *sender == pid).is_some();
        let pid = pid.to_string();
        match &ended.kind {
            Kind::Mail if is_awaited => self.sender_ended(&ended),
            // Its section is gone from the configuration, and what it sent with it.
            Kind::Mail => {}
            Kind::Hook(cmd) => {
                let how = ended.how();
                let mut facts = vec![
                    ("command", cmd.as_str()),
                    ("pid", pid.as_str()),
                    ("reason", how.as_str()),
                ];
                if !ended.said.is_empty() {
                    facts.push(("said", ended.said.as_str()));
                }
                let went_well = ended.exit == Exit::Code(0) && ended.timed_out.is_none();
                let level = if went_well { Level::Info } else { Level::Warning };
                self.log(level, "hook ended", &facts);
            }
        }
    }

    fn sender_ended(&mut self, ended: &Ended) {
        match ended.exit {
            Exit::Code(code) if code == 0 || code == i32::from(UNREACHED) => {
                if let Some(outbox) = &mut self.reporting.outbox {
                    outbox.sent();
                }
                let level = if code == 0 { Level::Info } else { Level::Warning };
                self.log(level, "mail sent", &[("reason", &ended.said)]);
            }
            Exit::Code(_) if ended.timed_out.is_none() => self.mail_failed(&ended.said),
            Exit::Code(_) | Exit::Signal(_) | Exit::Unknown => {
                // Of one that was killed the last line is the step that it was at.
                let step = ended.said.trim_end_matches(':');
                self.mail_failed(&format!("{step}: {}", ended.how()));
            }
        }
    }

    fn mail_failed(&mut self, reason: &str) {
        let now = self.now.at;
        let Some(outbox) = &mut self.reporting.outbox else { return };
        let delay = super::when::span(outbox.failed(now));
        let waiting = outbox.waiting().events().to_string();
        let again = if outbox.is_done() {
            "not tried again".to_owned()
        } else {
            format!("tried again in {delay}")
        };
        let facts = [("reason", reason), ("next", again.as_str()), ("events", waiting.as_str())];
        self.log(Level::Error, "mail failed", &facts);
        let message = format!("mail failed: {reason}; {again}");
        let event = self.daemon_event(EventName::MailFailed, message);
        self.publish(&event);
    }

    /// At the end: whether all has been told, or had time enough. Given whether there is nothing to
    /// come.
    pub(super) fn reports_are_done(&mut self, is_all: bool) -> bool {
        let now = self.now.at;
        let since = *self.reporting.ending.get_or_insert(now);
        if let Some(outbox) = &mut self.reporting.outbox {
            outbox.hurry();
        }
        let is_told = is_all
            && self.reporting.outbox.as_ref().is_none_or(Outbox::is_done)
            && self.reporting.backlog.is_empty()
            && self.reporting.helpers.count() == 0;
        if !(is_told || self.reporting.is_over || now >= since + PATIENCE) {
            return false;
        }
        // Those who are at it are killed with all that is left, and told of by what they leave.
        let events = self.reporting.outbox.take().map_or(0, |mut outbox| outbox.abandon());
        let hooks = self.reporting.helpers.hooks();
        let runs = self.reporting.backlog.abandon() + u64::try_from(hooks).unwrap_or(0);
        if events > 0 || runs > 0 {
            let (events, runs) = (events.to_string(), runs.to_string());
            let facts = [("events", events.as_str()), ("runs", runs.as_str())];
            self.log(
                Level::Error,
                "ended with events untold: not mailed, and hooks not run",
                &facts,
            );
        }
        true
    }
}

/// Program and number of a process by its name.
fn split(name: &str) -> (&str, u32) {
    let (program, index) = name.rsplit_once(':').unwrap_or((name, "0"));
    (program, index.parse().unwrap_or(0))
}

fn is_one_of(occasions: &Occasions, event: &EventRow) -> bool {
    occasions.iter().any(|occasion| occasion.is(event.event, event.expected))
}

fn news(event: &EventRow) -> News {
    News {
        event: event.event,
        time: event.time.clone(),
        process: event.name.clone(),
        pid: event.pid,
        end: event.exit.as_ref().map(|exit| match exit {
            ExitRow::Code(code) => format!("exit {code}"),
            ExitRow::Signal(signal) => format!("killed by {signal}"),
        }),
        expected: event.expected,
        message: event.message.clone(),
    }
}

/// As `events --json` prints it.
fn json(event: &EventRow) -> String {
    let mut line = serde_json::to_string(event).unwrap_or_default();
    line.push('\n');
    line
}

/// What a sender is given.
pub(super) fn errand(
    mail: &Mail,
    (subject, text, signature): (String, String, String),
    outputs: Vec<Output>,
    host: String,
) -> Errand {
    Errand {
        server: mail.server.clone(),
        from: mail.from.clone(),
        to: mail.to.clone(),
        host,
        subject,
        text,
        outputs,
        signature,
        timeout: mail.timeout,
    }
}

/// The variables that a sender gets of the daemon's: what its certificates and times depend on.
pub(super) const PASSED_ON: [&str; 3] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"];

/// What sendmail(8) runs may need to be found.
pub(super) const SENDMAIL_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

fn mail_order(input: Vec<u8>, timeout: Duration, limits: Vec<(u32, u64, u64)>) -> Order {
    let passed = PASSED_ON
        .iter()
        .filter_map(|name| CString::new(format!("{name}={}", std::env::var(name).ok()?)).ok());
    Order {
        kind: Kind::Mail,
        argv: vec![c"taskmaster".to_owned(), c"mail".to_owned()],
        envp: passed.chain(CString::new(format!("PATH={SENDMAIL_PATH}"))).collect(),
        // The file of this very process, whatever has become of its name.
        files: vec![c"/proc/self/exe".to_owned()],
        mode: crate::sys::spawn::Mode::Together,
        limits,
        input,
        timeout,
    }
}
