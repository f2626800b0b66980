//! The configuration: text in, [`Config`] or every [`Problem`] with its place out.
//!
//! Pure: whatever has to be read comes through [`Files`], whatever depends on
//! the caller through [`Surroundings`]. Users, groups and paths are kept as they
//! are written; whether they exist is the daemon's to find out.
#![forbid(unsafe_code)]

mod anchors;
mod capture;
mod claims;
mod daemon;
mod diff;
mod digest;
mod env_file;
mod event_name;
mod excerpt;
mod expand;
mod fields;
mod find;
mod glob;
mod include;
mod keys;
mod launch;
mod mail;
mod missing;
mod near;
mod order;
mod output;
mod passes;
mod probes;
mod problem;
mod program;
mod read;
mod report;
mod server;
mod show;
mod signal;
mod source;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod width;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

pub use diff::{Changes, ProgramChange, diff};
pub use env_file::parse as parse_env_file;
pub use event_name::EventName;
pub use find::{candidates, vet_path};
pub use glob::glob;
#[cfg(test)]
pub use keys::{
    BACKOFF_KEYS, CAPTURE_KEYS, DAEMON_KEYS, DEPENDENCY_KEYS, HEALTH_KEYS, HOOK_KEYS, Key,
    LOG_KEYS, MAIL_KEYS, MAX_RESTARTS_KEYS, PROGRAM_KEYS, READY_KEYS, TOP_KEYS,
};
pub use mail::{Hook, Mail, MailOn, Occasions};
pub use missing::{Asks, Missing, tell_missing};
pub use near::nearest;
pub use order::{Condition, Dependency};
pub use output::{Capture, Output};
pub use probes::{Health, HealthHow, Ready, ReadyHow, Url};
pub use problem::{Problem, Problems};
pub use read::{daemon_only, load};
pub use server::{Login, Password, Server, Smtp, Tls};
pub use show::{command_line, settings};
pub use signal::{SIGNALS, Signal};
pub use template::Template;
pub use values::parse_duration;
pub use width::char_width;

/// A whole configuration, checked and with every default filled in.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from, as it was named.
    pub file: PathBuf,
    /// The `daemon:` section.
    pub daemon: Daemon,
    /// The `mail:` section, where there is one.
    pub mail: Option<Mail>,
    /// The `hooks:` section.
    pub hooks: Vec<Hook>,
    /// The programs by name.
    pub programs: BTreeMap<Rc<str>, Rc<Program>>,
    /// What is odd but no error, such as a file without programs.
    pub warnings: Problems,
}

impl Config {
    /// Becomes what `new` is. Programs that are as they were stay where they are in memory: what
    /// lives is not copied, and not scattered among what reading the file has left free.
    pub fn become_like(&mut self, mut new: Self) {
        let mut programs = std::mem::take(&mut new.programs);
        self.programs.retain(|name, program| match programs.get(name) {
            Some(new) if new == program => programs.remove(name).is_some(),
            _ => false,
        });
        self.programs.extend(programs);
        new.programs = std::mem::take(&mut self.programs);
        *self = new;
    }
}

/// The `daemon:` section.
#[derive(Debug, Clone, PartialEq)]
pub struct Daemon {
    /// Where the control port listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Lock, secret, address, logs and history live here.
    pub state_dir: PathBuf,
    /// The file with the shared secret.
    pub secret_file: PathBuf,
    /// The event log.
    pub log: Log,
    /// The user to become once listening.
    pub user: Option<String>,
    /// The daemon's file mode creation mask; none: the caller's.
    pub umask: Option<u32>,
    /// How long an orderly shutdown may take before what still lives is killed.
    pub shutdown_time: Duration,
    /// Whether it ends by itself once there is nothing left to do.
    pub exit_when: ExitWhen,
}

/// When the daemon ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitWhen {
    /// Not at all.
    Never,
    /// When every process that was ever started is EXITED or FATAL.
    AllExited,
}

/// Where the event log goes and how it looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// File, stderr or syslog.
    pub target: LogTarget,
    /// Lines below this level are left out.
    pub level: Level,
    /// Text or one JSON object a line.
    pub format: LogFormat,
    /// Size in bytes at which the file is rotated; 0: never.
    pub max_bytes: u64,
    /// Rotated files that are kept.
    pub keep: u32,
}

/// Where the event log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A file, appended to and rotated.
    File(PathBuf),
    /// The daemon's standard error.
    Stderr,
    /// /dev/log, as syslog(3) writes it.
    Syslog,
}

impl LogTarget {
    /// Where the log is if nothing is said.
    pub fn in_state_dir(state_dir: &Path) -> Self {
        Self::File(state_dir.join("taskmaster.log"))
    }
}

/// How much a line of the event log matters, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something that was wanted could not be done.
    Error,
    /// Something is not as it should be.
    Warning,
    /// What happens.
    Info,
    /// What helps to find a fault.
    Debug,
}

/// The form of a line of the event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, words, then `key=value`.
    Text,
    /// One JSON object.
    Json,
}

/// One entry under `programs:`, with `defaults:` merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Its name.
    pub name: Rc<str>,
    /// How many processes of it there are, 1 to 10000.
    pub numprocs: u32,
    /// What a reload changes in place. Most programs share it: few say much of it themselves.
    pub policy: Rc<Policy>,
    /// What a reload restarts for.
    pub launch: Launch,
    /// What it says about mail; none: as the section does.
    pub mail: Option<MailOn>,
}

impl Program {
    /// Its policy, to be changed: it is then no longer shared.
    #[cfg(test)]
    pub fn policy_mut(&mut self) -> &mut Policy {
        Rc::make_mut(&mut self.policy)
    }

    /// What it is given, to be changed: it is then no longer shared.
    #[cfg(test)]
    pub fn attributes_mut(&mut self) -> &mut Attributes {
        Rc::make_mut(&mut self.launch.attributes)
    }

    /// The name of its process with this index: `web`, or `web:0` where there are several.
    pub fn process_name(&self, index: u32) -> String {
        self.process_name_of(index, self.numprocs)
    }

    /// The same, if it were one of so many.
    pub fn process_name_of(&self, index: u32, numprocs: u32) -> String {
        if numprocs == 1 && index == 0 {
            self.name.to_string()
        } else {
            format!("{}:{index}", self.name)
        }
    }

    /// Whether it is started again however it ends.
    pub fn never_completes(&self) -> bool {
        self.policy.autorestart == Autorestart::Always
    }
}

/// When a process is started, restarted and stopped, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Started with the daemon.
    pub autostart: bool,
    /// Restarted after an exit from RUNNING.
    pub autorestart: Autorestart,
    /// Ends that are no surprise.
    pub exitcodes: Vec<Expected>,
    /// Up this long, it counts as started.
    pub starttime: Duration,
    /// Retries after a failed start; none: unlimited.
    pub startretries: Option<u32>,
    /// The delays between those retries.
    pub backoff: Backoff,
    /// How often it may be restarted without anybody asking; none: without limit.
    pub max_restarts: Option<MaxRestarts>,
    /// The signal that asks it to stop.
    pub stopsignal: Signal,
    /// How long it may take to do so before SIGKILL.
    pub stoptime: Duration,
    /// Whether the stop signal goes to its whole process group.
    pub stopasgroup: bool,
    /// What must be up, ready or done before it is started, by program.
    pub depends_on: BTreeMap<Rc<str>, Dependency>,
    /// When it is RUNNING; none: once up for `starttime`.
    pub ready: Option<Ready>,
    /// How it is asked whether it is well; none: it is not.
    pub health: Option<Health>,
    /// Whether the daemon ends when it has ended for good.
    pub critical: bool,
}

/// What the `autorestart` key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autorestart {
    /// After every exit.
    Always,
    /// After none.
    Never,
    /// Unless the end is listed in `exitcodes`.
    Unexpected,
}

/// One entry of `exitcodes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// An exit with this code, 0 to 255.
    Code(u8),
    /// Death by this signal.
    Signal(Signal),
}

/// Delays between failed starts: `initial`, then times `factor` each time, at most `max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first delay, and the least time between two starts.
    pub initial: Duration,
    /// The longest delay.
    pub max: Duration,
    /// What each delay is multiplied by for the next; at least 1.
    pub factor: f64,
    /// The fraction of the delay, 0 to 1, of which up to so much is added at random.
    pub jitter: f64,
}

/// A limit of restarts: one more within that time, and it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxRestarts {
    /// So many are fine, 0 to 1000.
    pub count: u32,
    /// Within this time; more than 0.
    pub within: Duration,
}

/// All that the start of a process depends on, and so what a reload restarts it for.
///
/// `daemon.env` and `daemon.umask` are merged in: compared are effective values.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// The words of the command; never empty.
    pub cmd: Vec<Template>,
    /// What it is given besides. Most programs share it: few say much of it themselves.
    pub attributes: Rc<Attributes>,
    /// Where standard output goes.
    pub stdout: Output,
    /// Where standard error goes.
    pub stderr: Output,
}

/// What a process is given besides its command and its output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Attributes {
    /// What of the daemon's own environment is handed on.
    pub inherit_env: InheritEnv,
    /// `daemon.env`, less what `env` overrides.
    pub base_env: BTreeMap<String, Template>,
    /// Files read at each start, over `base_env`.
    pub env_file: Vec<EnvFile>,
    /// The program's own, over everything but TASKMASTER_*.
    pub env: BTreeMap<String, Template>,
    /// The working directory; none: the daemon's.
    pub workingdir: Option<Template>,
    /// File mode creation mask; none: the daemon's.
    pub umask: Option<u32>,
    /// User name or id.
    pub user: Option<Template>,
    /// Group name or id.
    pub group: Option<String>,
    /// Resource limits by the lower-case name after RLIMIT_.
    pub limits: BTreeMap<&'static str, Limit>,
    /// Nice value, -20 to 19.
    pub nice: Option<i32>,
    /// What is written to /proc/self/oom_score_adj, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Whether execve(2) may still grant privileges.
    pub no_new_privs: bool,
}

/// What of the daemon's environment a process gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum InheritEnv {
    /// All of it.
    #[default]
    All,
    /// Nothing.
    Nothing,
    /// These names.
    Only(BTreeSet<String>),
}

/// One file of `env_file`.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvFile {
    /// Where it is; absolute once expanded.
    pub path: Template,
    /// Written with a leading `-`: it may be missing.
    pub optional: bool,
}

/// A resource limit; `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The soft limit, in the unit of setrlimit(2).
    pub soft: Option<u64>,
    /// The hard limit, in the unit of setrlimit(2).
    pub hard: Option<u64>,
}

/// What a configuration depends on besides its text.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Whether the daemon runs as root: picks the default `state_dir`.
    pub root: bool,
    /// The daemon's environment, as far as it is UTF-8.
    pub env: BTreeMap<String, String>,
    /// The current directory, absolute: where a relative file name starts.
    pub cwd: PathBuf,
}

/// How the configuration's files are reached.
pub trait Files {
    /// The text of a file. The error is the cause alone, such as "No such file or directory".
    fn read(&self, path: &Path) -> Result<String, String>;
    /// The names in a folder. The error is the cause alone.
    fn list(&self, folder: &Path) -> Result<Vec<String>, String>;
    /// Whether this file, as it was read, may be trusted, given `daemon.user`. The error says why not
    /// and the command that mends it.
    fn vet(&self, path: &Path, daemon_user: Option<&str>) -> Result<(), String>;
}
