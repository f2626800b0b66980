//! Upgrade: the daemon executes its own file again, in place.
//!
//! First the new file is run as a child that looks whether it can go on from the state there is:
//! only one that says so, by a word that it can know from that state alone, is executed, at the end of a
//! turn that has left nothing undone. Whatever fails before that changes nothing, and a file
//! that cannot be executed after all leaves this daemon as it was.
//!
//! The pid stays, and with it every child; descriptors are handed over by number. Signals are
//! blocked until the new program can handle them, so an end in between is seen after it.

use std::ffi::CString;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::client::Task;
use super::commands::exit;
use super::handover::Handover;
use super::recipe::cause_of;
use super::rest::Rest;
use super::{Daemon, Options, words};
use crate::config::Level;
use crate::protocol::Reply;
use crate::supervisor::{Exit, Pid};
use crate::sys::pipe;
use crate::sys::record::checksum;
use crate::sys::spawn::{Extras, Mode, Recipe};
use crate::sys::{cause, files, handover, signals};

/// Where the new program finds the number of the descriptor that holds the state.
pub(super) const VARIABLE: &str = "TASKMASTER_HANDOVER";

/// How long the new file may look at the state.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most that is read of what it says, in bytes.
const ENOUGH: u64 = 8 * 1024;

/// A new file that looks at the state.
#[derive(Debug)]
pub(super) struct Upgrade {
    file: PathBuf,
    pid: Pid,
    said: File,
    /// What it says if it can go on.
    word: String,
    pub(super) until: Instant,
    /// It can: the next quiet moment is the time.
    is_ready: bool,
    /// How it stands to mail and hooks.
    pub(super) rest: Rest,
    /// How long it waits for a logger whose place another takes, once it does.
    pub(super) logger_until: Option<Instant>,
}

/// What one says that can go on from this state.
fn word(state: &str) -> String {
    format!("taskmaster can go on from {:016x}\n", checksum(state.as_bytes()))
}

/// `taskmaster resume-check`: whether this program can go on from the state on standard input.
pub fn check_state() -> u8 {
    use std::io::Write as _;
    let mut text = Vec::new();
    let read = std::io::stdin().read_to_end(&mut text).map_err(|error| cause(&error));
    let checked = read.and_then(|_| {
        let state = Handover::read(&text)?;
        state.config().map_err(|error| format!("the configuration in use: {error}"))
    });
    match checked {
        Ok(_) => {
            let word = word(&String::from_utf8_lossy(&text));
            let _ = std::io::stdout().write_all(word.as_bytes());
            0
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why}");
            1
        }
    }
}

/// The state that this program was executed to go on from, if it was.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn handed_over(options: &mut Options) -> Option<Result<Handover, String>> {
    let fd = handover::take_variable(VARIABLE)?;
    options.surroundings.env.remove(VARIABLE);
    let number = fd.to_str().and_then(|fd| fd.parse().ok()).unwrap_or(-1);
    let mut text = Vec::new();
    let read = handover::inherited(number).and_then(|fd| File::from(fd).read_to_end(&mut text));
    Some(match read {
        Ok(_) => Handover::read(&text),
        Err(error) => Err(format!("reading the state that is handed over: {}", cause(&error))),
    })
}

impl Daemon {
    /// `upgrade`: the answer comes from the next version, or tells why there is none.
    pub(super) fn ask_for_upgrade(&mut self, index: usize) {
        match self.begin_upgrade("upgrade was asked for") {
            Ok(()) => {
                if let Some(client) = self.clients.get_mut(index) {
                    client.task = Task::Upgrade;
                }
            }
            Err(why) => self.reply(index, vec![Reply::failed(exit::FAILED, refusal(&why))]),
        }
    }

    /// USR2.
    pub(super) fn upgrade_by_signal(&mut self) {
        let _ = self.begin_upgrade("SIGUSR2: upgrade");
    }

    fn begin_upgrade(&mut self, why: &str) -> Result<(), String> {
        self.log(Level::Info, why, &[]);
        if self.upgrade.is_some() {
            return Ok(());
        }
        let begun = if self.supervisor.is_shutting_down() {
            Err("the daemon is shutting down".to_owned())
        } else if self.supervisor.has_rolls() {
            Err("a rolling restart is under way; try again when it is over".to_owned())
        } else {
            self.run_check()
        };
        match begun {
            Ok(upgrade) => self.upgrade = Some(upgrade),
            Err(why) => {
                self.log(Level::Error, &refusal(&why), &[]);
                return Err(why);
            }
        }
        Ok(())
    }

    /// Has the new file look at the state.
    fn run_check(&mut self) -> Result<Upgrade, String> {
        let file = self.own_file.clone();
        let state = self.hand_over().to_text();
        let failed =
            |what: &'static str| move |error: std::io::Error| format!("{what}: {}", cause(&error));
        let memory = files::in_memory(state.as_bytes()).map_err(failed("keeping the state"))?;
        let (said, says) = pipe::one_way().map_err(failed("making a pipe"))?;
        let path = CString::new(file.as_os_str().as_bytes()).unwrap_or_default();
        let recipe = Recipe {
            argv: vec![c"taskmaster".to_owned(), c"resume-check".to_owned()],
            envp: self.kitchen.own_environment(),
            files: vec![path],
            stdio: [memory.as_raw_fd(), says.as_raw_fd(), says.as_raw_fd()],
            folder: None,
            umask: None,
            ids: None,
            limits: Vec::new(),
            nice: None,
            oom_score_adj: None,
            no_new_privs: false,
            extras: Extras::default(),
            record: None,
        };
        let launched = self.launcher.launch(&recipe, Mode::Together);
        let pid = launched
            .map_err(|failure| format!("executing {}: {}", file.display(), cause_of(&failure)))?
            .pid;
        let (word, until) = (word(&state), self.now.at + PATIENCE);
        let said = File::from(said);
        let (rest, logger_until) = (Rest::Over, None);
        Ok(Upgrade { file, pid, said, word, until, is_ready: false, rest, logger_until })
    }

    /// Whether this child is the new file that looks at the state.
    pub(super) fn is_upgrade_check(&self, pid: Pid) -> bool {
        self.upgrade.as_ref().is_some_and(|upgrade| upgrade.pid == pid && !upgrade.is_ready)
    }

    /// It has ended: what it said decides.
    pub(super) fn upgrade_check_ended(&mut self, exit: Exit) {
        let Some(upgrade) = &mut self.upgrade else { return };
        let mut said = Vec::new();
        // What it said last, its descendants may still keep the pipe open.
        let _ = (&upgrade.said).take(ENOUGH).read_to_end(&mut said);
        if exit == Exit::Code(0) && said == upgrade.word.as_bytes() {
            upgrade.is_ready = true;
            return;
        }
        let file = upgrade.file.display().to_string();
        let said = String::from_utf8_lossy(&said);
        let why = match said.lines().next().filter(|_| exit != Exit::Code(0)) {
            Some(line) => format!("{file} cannot go on from here: {line}"),
            None => format!("{file} is no taskmaster that could go on: {}", words::ended(exit)),
        };
        self.refuse_upgrade(&why);
    }

    /// When one that looks at the state for too long is given up, or what the daemon has under
    /// way is waited for no longer.
    pub(super) fn upgrade_due(&self) -> Option<Instant> {
        let upgrade = self.upgrade.as_ref()?;
        let until = Some(upgrade.until).filter(|until| !self.is_waiting_for_the_killed(*until));
        // Once that is over, the next quiet moment decides.
        let logger = upgrade.logger_until.filter(|until| *until > self.now.at);
        until.into_iter().chain(logger).min()
    }

    fn is_waiting_for_the_killed(&self, until: Instant) -> bool {
        self.upgrade.as_ref().is_some_and(|upgrade| upgrade.is_ready) && until <= self.now.at
    }

    /// Time has passed.
    pub(super) fn tick_upgrade(&mut self) {
        if let Some(pid) = self.upgrade.as_ref().map(|upgrade| upgrade.pid)
            && self.upgrade_due().is_some_and(|at| at <= self.now.at)
        {
            let _ = signals::send(pid, signals::KILL, true);
            self.refuse_upgrade(&format!("it said nothing within {} s", PATIENCE.as_secs()));
        }
    }

    fn refuse_upgrade(&mut self, why: &str) {
        self.upgrade = None;
        let message = refusal(why);
        self.log(Level::Error, &message, &[]);
        for client in &mut self.clients {
            if matches!(client.task, Task::Upgrade) {
                client.task = Task::None;
                client.send(&Reply::failed(exit::FAILED, message.clone()));
            }
        }
    }

    /// At the end of a turn: goes on as the new file, if that is ready and nothing is left undone.
    pub(super) fn go_on_as_new(&mut self) {
        let is_ready = self.upgrade.as_ref().is_some_and(|upgrade| upgrade.is_ready);
        if !is_ready || self.supervisor.has_effects() || self.supervisor.has_rolls() {
            return;
        }
        if self.supervisor.is_shutting_down() {
            return self.refuse_upgrade("the daemon is shutting down");
        }
        match self.waits_for_logger() {
            Ok(false) => {}
            Ok(true) => return,
            Err(why) => return self.refuse_upgrade(&why),
        }
        if !self.is_at_rest() {
            return;
        }
        let file = self.own_file.clone();
        self.log(Level::Info, "going on as a new version", &[("file", &file.to_string_lossy())]);
        self.log.flush();
        self.write_journal();
        let error = self.become_file(&file);
        self.refuse_upgrade(&format!("executing {}: {}", file.display(), cause(&error)));
    }

    fn become_file(&self, file: &Path) -> std::io::Error {
        let state = match files::in_memory(self.hand_over().to_text().as_bytes()) {
            Ok(state) => state,
            Err(error) => return error,
        };
        let caught = || self.signals.take().collect();
        handover::become_program(file, (VARIABLE, &state), &self.descriptors(), &caught)
    }

    /// Every descriptor that is handed over.
    fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let mut fds: Vec<BorrowedFd<'_>> = self.listener.iter().map(AsFd::as_fd).collect();
        fds.extend(self.state_dir.lock());
        fds.extend(self.adopted.all().map(AsFd::as_fd));
        fds.extend(self.reports.values().map(AsFd::as_fd));
        fds.extend(self.probes.descriptors());
        fds.extend(self.captures.descriptors());
        fds.extend(self.clients.iter().flat_map(super::client::Client::descriptors));
        fds
    }
}

fn refusal(why: &str) -> String {
    format!("upgrade refused, nothing was changed: {why}")
}
