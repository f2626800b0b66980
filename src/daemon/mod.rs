//! The daemon: starts what the configuration names, keeps it so, and answers clients.
//!
//! This file is its data and its life as a whole. How it starts is told in [`start`], what
//! happens in a turn of the loop, and in which order, in [`turn`], what a client may ask for in
//! [`commands`].

mod accept;
mod adopt;
mod adopted;
mod backlog;
mod capture;
mod check;
mod client;
mod commands;
mod container;
mod disabled;
mod echo;
mod effects;
mod ends;
mod given;
mod handover;
mod helpers;
mod identities;
mod journal;
mod kept;
mod lacks;
mod launch_words;
#[cfg(test)]
#[path = "../../tests/fuzz/src/left.rs"]
pub mod left;
mod lingering;
mod log;
mod logger;
mod logging;
mod order;
mod output;
mod probes;
mod recipe;
mod refusals;
mod reload;
mod report;
mod rest;
mod resume;
pub mod source;
mod start;
mod state_dir;
mod story;
mod strays;
mod tail;
mod texts;
mod try_mail;
mod turn;
mod upgrade;
mod wait;
mod watch;
mod when;
mod words;

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

pub use check::check;
use client::{Client, Goal};
use log::{EventLog, Line};
use recipe::Kitchen;
use state_dir::StateDir;
use strays::Strays;
pub use upgrade::check_state;

use crate::config::{self, Config, Level, Surroundings};
use crate::protocol::hello::Secret;
use crate::protocol::{EventName, EventRow, Reply};
use crate::supervisor::{Moment, Supervisor};
use crate::sys::process::{Detached, Starting, detach};
use crate::sys::signals::Signals;
use crate::sys::spawn::Launcher;
use crate::sys::timer::Timer;
use crate::sys::{cause, clock, files, memory, poll, random};

/// What the command line says.
#[derive(Debug)]
pub struct Options {
    /// `-c`.
    pub config: Option<PathBuf>,
    /// `-d`.
    pub detach: bool,
    /// `--mail`, of `check`.
    pub mail: bool,
    /// What the configuration may depend on.
    pub surroundings: Surroundings,
}

/// The daemon at work.
struct Daemon {
    surroundings: Surroundings,
    /// What the configuration was read from.
    texts: texts::Texts,
    config: Config,
    supervisor: Supervisor,
    kitchen: Kitchen,
    launcher: Launcher,
    captures: capture::Captures,
    /// Since when the daemon's end waits for the logger's.
    logger_ending: Option<Instant>,
    /// It was waited for in vain.
    logger_is_late: bool,
    /// Reports of children that were launched apart, by pid.
    reports: std::collections::HashMap<i32, std::os::fd::OwnedFd>,
    probes: probes::Probes,
    strays: Strays,
    looks: ends::Looks,
    reporting: report::Reporting,
    /// Those that an earlier daemon launched.
    adopted: adopted::Adopted,
    lingering: lingering::Lingering,
    journal: journal::Journal,
    /// Who was sent the stop signal in this turn, for the journal.
    asked: Vec<journal::Entry>,
    refusals: refusals::Refusals,
    clients: Vec<Client>,
    /// None: the control port is closed.
    listener: Option<TcpListener>,
    secret: Secret,
    /// The configuration file, absolute: clients are told.
    file: PathBuf,
    /// The file that an upgrade executes, absolute.
    own_file: PathBuf,
    /// One that is under way.
    upgrade: Option<upgrade::Upgrade>,
    log: EventLog,
    state_dir: StateDir,
    signals: Signals,
    timer: Timer,
    poller: poll::Poller,
    /// Kept open so that there is one to close when descriptors run out.
    spare: Option<std::fs::File>,
    /// The file mode creation mask that the daemon was started with.
    umask: u32,
    places: accept::Places,
    now: Moment,
    dice: u64,
    /// The exit status, when it has ended in order.
    status: u8,
}

/// Why the daemon did not start.
struct Refusal {
    status: u8,
    message: String,
}

fn cannot(message: impl Into<String>) -> Refusal {
    Refusal { status: 1, message: message.into() }
}

/// Supervises until it is told to stop. The exit status.
pub fn run(options: &mut Options) -> u8 {
    if let Some(state) = upgrade::handed_over(options) {
        let resumed = state.map_err(cannot).and_then(|state| Daemon::resume(options, state));
        return match resumed {
            Ok(daemon) => daemon.supervise(None),
            Err(refusal) => complain(&refusal),
        };
    }
    files::close_inherited();
    if let Err(error) = files::fill_stdio() {
        return complain(&cannot(format!("opening /dev/null: {}", cause(&error))));
    }
    if !options.detach {
        return match Daemon::start(options) {
            Ok(daemon) => daemon.supervise(None),
            Err(refusal) => complain(&refusal),
        };
    }
    if container::is_init() {
        return complain(&cannot("-d makes no sense as PID 1: when it ends, so does everything"));
    }
    match detach() {
        Err(error) => complain(&cannot(format!("detaching: {}", cause(&error)))),
        Ok(Detached::Caller(status)) => status,
        Ok(Detached::Daemon(starting)) => match Daemon::start(options) {
            Ok(daemon) => daemon.supervise(Some(starting)),
            Err(refusal) => {
                let status = complain(&refusal);
                starting.failed(status);
                status
            }
        },
    }
}

fn complain(refusal: &Refusal) -> u8 {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "taskmaster: {}", refusal.message);
    refusal.status
}

impl Daemon {
    /// The loop. With `starting`, somebody waits to hear that the start went well.
    fn supervise(mut self, starting: Option<Starting>) -> u8 {
        if starting.is_some() {
            self.let_go_of_stdio();
        }
        loop {
            self.read_clock();
            self.write_journal();
            self.perform();
            // What could not even be launched wakes nobody: it may be over by now.
            self.mind_the_end();
            self.tend_logger();
            self.log.flush();
            if !self.supervisor.has_effects() {
                break;
            }
        }
        memory::give_back();
        if let Some(starting) = starting {
            starting.done();
        }
        // Where nothing was launched, nothing may wake it for days.
        self.tend_reports();
        self.flush();
        let mut is_over = self.is_finished();
        while !is_over {
            is_over = self.turn();
        }
        let status = self.status;
        self.end();
        status
    }

    /// Everything has been stopped.
    fn end(mut self) {
        self.state_dir.remove_address();
        self.tell_of_refusals();
        self.log(Level::Info, "daemon stopped", &[]);
        if self.state_dir.is_ours() {
            self.journal.remove();
        }
        self.state_dir.remove_door();
        self.log.flush();
        let Self { mut clients, state_dir, .. } = self;
        // Who waits for the shutdown may start the next daemon at once: the lock goes first.
        drop(state_dir);
        for client in &mut clients {
            if matches!(client.task, client::Task::Shutdown) {
                client.send(&Reply::DONE);
            }
            client.flush();
        }
    }

    /// Reads the clocks, once a turn, and throws the dice.
    fn read_clock(&mut self) {
        // SplitMix64 (Steele, Lea, Flood 2014): good enough to spread retries.
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        #[allow(clippy::cast_precision_loss)] // 53 bits fit
        let dice = (z >> 11) as f64 / (1u64 << 53) as f64;
        self.now = Moment { at: clock::now(), wall: clock::wall(), dice };
    }

    fn log(&mut self, level: Level, message: &str, facts: &[(&'static str, &str)]) {
        let wall: SystemTime = self.now.wall;
        self.log.write(wall, &Line { level, message, facts });
    }

    fn warn(&mut self, message: &str) {
        self.log(Level::Warning, message, &[]);
    }

    fn daemon_event(&self, event: EventName, message: String) -> EventRow {
        EventRow {
            time: when::rfc3339(self.now.wall),
            event,
            name: None,
            from: None,
            to: None,
            pid: None,
            exit: None,
            expected: None,
            message,
        }
    }

    /// Hands an event to all who follow, and to who reports it.
    fn publish(&mut self, event: &EventRow) {
        self.report(event);
        let mut line = None;
        for client in &mut self.clients {
            if matches!(client.task, client::Task::Follow) {
                let line = line.get_or_insert_with(|| Reply::Event(event.clone()).to_line());
                client.send_line(line);
            }
        }
    }

    /// What is odd about a configuration that was read from these texts.
    fn warnings(
        &self,
        config: &Config,
        texts: &texts::Texts,
        identities: &identities::Identities,
    ) -> Vec<String> {
        let path = self.kitchen.path();
        let look = lacks::Look::new(identities, path.as_deref(), Some(self.kitchen.mounts()));
        lacks::warnings(config, texts, &self.surroundings, look)
    }

    /// Detached: before anything is launched, so that no process inherits what is the caller's.
    fn let_go_of_stdio(&mut self) {
        self.warn_of_inherit();
        // What becomes of each process is for `status` to tell.
        self.log.stop_echo();
        if let Err(error) = files::null_stdio() {
            self.warn(&format!("opening /dev/null: {}", cause(&error)));
        }
    }

    /// Detached, `inherit` has nowhere to go.
    fn warn_of_inherit(&mut self) {
        let inherits = |program: &config::Program| {
            [&program.launch.stdout, &program.launch.stderr].contains(&&config::Output::Inherit)
        };
        let programs = self.config.programs.values().filter(|program| inherits(program));
        let names: Vec<String> = programs.map(|program| program.name.to_string()).collect();
        if !names.is_empty() {
            self.warn(&format!(
                "detached, so the inherited output of {} is lost",
                names.join(", ")
            ));
        }
    }
}

/// The wait until `at`, from `now`.
fn until(at: Instant, now: Instant) -> Duration {
    at.saturating_duration_since(now)
}
