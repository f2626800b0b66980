//! What every test stands on: a folder, a daemon in it, and ways to ask for facts.
//!
//! How the protocol is spoken without a shell stands in [`wire`], what the kernel tells of a
//! process in [`processes`].

mod processes;
mod wire;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use processes::started;
pub use processes::{
    children, executed, lives, proc, programs_of, signal, signal_number, status_of,
};
use serde_json::Value;
pub use wire::{Wire, hmac};

/// How long a fact may take to come true before the test fails. Generous: it is never waited
/// out by a test that passes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a configuration, and perhaps a daemon.
pub struct Bench {
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

/// What a command printed, and its exit status.
#[derive(Debug)]
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status.code().unwrap_or(-1);
        Self { status, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// The binary that is tested.
pub fn taskmaster() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskmaster"));
    // Nothing of whoever runs the tests gets in.
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    command.stdin(Stdio::null());
    command
}

impl Bench {
    /// A folder with this under `programs:`, and no daemon yet.
    pub fn new(programs: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // So that a test that drops privileges can reach what is in it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bench = Self { folder, daemon: None };
        bench.configure(programs);
        bench
    }

    /// The same with a daemon, whose autostart programs have been launched.
    pub fn up(programs: &str) -> Self {
        let mut bench = Self::new(programs);
        bench.start();
        bench
    }

    /// Where everything of this test lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file there.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes a file there that can be executed at once: see [`copy`].
    pub fn executable(&self, name: &str, text: &[u8]) -> PathBuf {
        let (path, draft) = (self.path(name), self.path(&format!("{name}.draft")));
        fs::write(&draft, text).unwrap();
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
        copy(&draft, &path);
        path
    }

    /// Puts a file in the place of another at once: whoever reads it sees the old one or the new.
    pub fn replace(&self, name: &str, text: &str) {
        fs::rename(self.write(&format!("{name}.replaced"), text), self.path(name)).unwrap();
    }

    /// The text of a file there; nothing if there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read(self.path(name))
            .map(|b| String::from_utf8_lossy(&b).into_owned())
            .unwrap_or_default()
    }

    /// Rewrites the configuration with this under `programs:`.
    pub fn configure(&self, programs: &str) {
        let daemon = "daemon: {listen: '127.0.0.1:0', state_dir: state}\n";
        let indented: String = programs.lines().map(|line| format!("  {line}\n")).collect();
        self.replace("taskmaster.yaml", &format!("{daemon}programs:\n{indented}"));
    }

    /// The same with further keys of `daemon:`, each ended by a comma.
    pub fn configure_daemon(&self, keys: &str, programs: &str) {
        let daemon = format!("daemon: {{{keys} listen: '127.0.0.1:0', state_dir: state}}\n");
        let indented: String = programs.lines().map(|line| format!("  {line}\n")).collect();
        self.replace("taskmaster.yaml", &format!("{daemon}programs:\n{indented}"));
    }

    /// The daemon, to be run in this folder.
    pub fn daemon_command(&self) -> Command {
        let mut command = taskmaster();
        command.current_dir(self.folder.path()).args(["daemon", "-c", "taskmaster.yaml"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: a signal to the tests' group is not meant for it.
        command.process_group(0);
        command
    }

    /// The daemon, started by way of another command that executes its last arguments.
    pub fn daemon_through(&self, words: &[&str]) -> Command {
        let daemon = self.daemon_command();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(daemon.get_program()).args(daemon.get_args());
        command.current_dir(self.folder.path());
        for (key, value) in daemon.get_envs() {
            command.env(key, value.unwrap());
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        command
    }

    /// Starts the daemon in the foreground, and waits until it answers.
    pub fn start(&mut self) {
        let command = self.daemon_command();
        self.start_as(command);
    }

    /// Starts this daemon, and waits until it answers.
    pub fn start_as(&mut self, command: Command) {
        self.launch(command);
        self.until("the daemon answers", |bench| bench.ctl("version").status == 0);
    }

    /// Starts this daemon, and leaves it alone: no client wakes it.
    pub fn launch(&mut self, mut command: Command) {
        assert!(self.daemon.is_none(), "there is one already");
        self.daemon = Some(command.spawn().unwrap());
    }

    /// Starts the next daemon after one that was killed, and waits until it answers. Quicker than
    /// [`Bench::start`], as it asks without a shell.
    pub fn start_again(&mut self) -> Wire {
        // It tells of the last daemon's port, which may be somebody else's by now.
        let _ = fs::remove_file(self.path("state/address"));
        self.launch(self.daemon_command());
        self.until("the daemon listens", |bench| bench.read("state/address").ends_with('\n'));
        self.client()
    }

    /// The daemon's process id.
    pub fn pid(&self) -> i32 {
        self.daemon.as_ref().unwrap().id() as i32
    }

    /// Waits until the daemon has ended, and tells its exit status.
    pub fn ended(&mut self) -> i32 {
        let mut status = None;
        until("the daemon ends", || {
            status = self.daemon.as_mut().unwrap().try_wait().unwrap();
            status.is_some()
        });
        self.daemon = None;
        status.unwrap().code().unwrap_or(-1)
    }

    /// Kills the daemon, which gets to do nothing more.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Stops the daemon in order; it must succeed.
    pub fn stop(&mut self) {
        assert_eq!(self.ctl("shutdown").status, 0);
        assert_eq!(self.ended(), 0);
    }

    /// One command of the shell, split at spaces.
    pub fn ctl(&self, command: &str) -> Said {
        self.ctl_words(&command.split_whitespace().collect::<Vec<_>>())
    }

    /// One command of the shell.
    pub fn ctl_words(&self, words: &[&str]) -> Said {
        let mut command = taskmaster();
        command
            .current_dir(self.folder.path())
            .args(["shell", "-c", "taskmaster.yaml"])
            .args(words);
        command.output().unwrap().into()
    }

    /// `check` on this folder's configuration.
    pub fn check(&self) -> Said {
        let mut command = taskmaster();
        command.current_dir(self.folder.path()).args(["check", "-c", "taskmaster.yaml"]);
        command.output().unwrap().into()
    }

    /// The rows of `status --json`.
    pub fn rows(&self) -> Vec<Value> {
        let said = self.ctl("status --json");
        assert!([0, 3].contains(&said.status), "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }

    /// The row of one process; null if there is none.
    pub fn row(&self, name: &str) -> Value {
        self.rows().into_iter().find(|row| row["name"] == name).unwrap_or(Value::Null)
    }

    /// Its state.
    pub fn state(&self, name: &str) -> String {
        self.row(name)["state"].as_str().unwrap_or("none").to_owned()
    }

    /// Its pid; it must be up.
    pub fn pid_of(&self, name: &str) -> i32 {
        let row = self.row(name);
        row["pid"].as_i64().unwrap_or_else(|| panic!("{name} is not up: {row}")) as i32
    }

    /// Whether it is up with another pid than this one.
    pub fn has_new_pid(&self, name: &str, old: i32) -> bool {
        self.row(name)["pid"].as_i64().is_some_and(|pid| pid != i64::from(old))
    }

    /// Waits until a process is in this state.
    pub fn until_state(&self, name: &str, state: &str) {
        self.until(&format!("{name} is {state}"), |bench| bench.state(name) == state);
    }

    /// Waits until this is so.
    pub fn until(&self, what: &str, mut fact: impl FnMut(&Self) -> bool) {
        let end = now() + PATIENCE;
        while !fact(self) {
            if now() > end {
                panic!("{what}: never came true\n{}\n{}", self.ctl("status").out, self.log());
            }
            pause();
        }
    }

    /// The event log.
    pub fn log(&self) -> String {
        self.read("state/taskmaster.log")
    }

    /// A connection that has proved the secret.
    pub fn client(&self) -> Wire {
        let mut wire = self.stranger();
        wire.hello(self.read("state/secret").trim());
        wire
    }

    /// A connection that is told every event from now on.
    pub fn follower(&self) -> Wire {
        let mut wire = self.client();
        wire.send("events");
        // What is asked after that is answered after that.
        self.client().ask("version");
        wire
    }

    /// The number that a program writes to this file, once it has.
    pub fn number(&self, name: &str) -> i32 {
        let mut number = None;
        self.until(&format!("a number is in {name}"), |bench| {
            number = bench.read(name).strip_suffix('\n').and_then(|text| text.parse().ok());
            number.is_some()
        });
        number.unwrap()
    }

    /// A connection that has been greeted, and has said nothing.
    pub fn stranger(&self) -> Wire {
        Wire::connect(self.read("state/address").trim())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.end_daemon();
        // What a daemon that was killed has left, and no other has taken over.
        for (pid, seen) in self.recorded() {
            if started(pid).is_some_and(|start| start <= seen) {
                let _ = nix::sys::signal::killpg(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
    }
}

impl Bench {
    /// The processes that stand in the journal, each with a moment at which it was seen.
    pub fn recorded(&self) -> Vec<(i32, u64)> {
        let journal = self.read("state/journal");
        let kept = ["{\"up\":", "{\"logger\":"];
        let is_kept = |line: &&str| kept.iter().any(|start| line.starts_with(start));
        let up = journal.lines().filter(is_kept);
        let json = up.filter_map(|line| line.rsplit_once(' '));
        let values = json.filter_map(|(json, _)| serde_json::from_str::<Value>(json).ok());
        let of = |value: Value| {
            let up = value.as_object()?.values().next()?;
            Some((i32::try_from(up["pid"].as_i64()?).ok()?, up["seen"].as_u64()?))
        };
        values.filter_map(of).collect()
    }

    /// The logger that is on record, whichever daemon started it, once it is executed.
    pub fn logger(&self) -> i32 {
        let mut logger = None;
        self.until("there is a logger", |bench| {
            let mut recorded = bench.recorded().into_iter().map(|(pid, _)| pid);
            let is_logger = |pid: &i32| proc(*pid, "cmdline") == "taskmaster\0logger\0";
            logger = recorded.rfind(is_logger);
            logger.is_some()
        });
        logger.unwrap()
    }

    fn end_daemon(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        // Twice: the second one kills what does not stop in time. The daemon takes all its
        // descendants with it.
        for _ in 0..2 {
            signal(daemon.id() as i32, libc::SIGTERM);
            let end = now() + Duration::from_secs(5);
            while now() < end {
                if daemon.try_wait().unwrap().is_some() {
                    return;
                }
                pause();
            }
        }
        let _ = daemon.kill();
        let _ = daemon.wait();
    }
}

/// Copies a file that is to be executed. Another process does, since a child that a test beside this
/// one is just starting has this one's descriptors until then, and nobody can execute what somebody
/// may write to.
pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// Waits until this is so.
pub fn until(what: &str, mut fact: impl FnMut() -> bool) {
    let end = now() + PATIENCE;
    while !fact() {
        assert!(now() < end, "{what}: never came true");
        pause();
    }
}

/// Runs a command to its end, and kills it if it has none.
pub fn finished(mut command: Command) -> Said {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let end = now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if now() > end {
            let _ = child.kill();
            panic!("it goes on: {:?}", Said::from(child.wait_with_output().unwrap()));
        }
        pause();
    }
    child.wait_with_output().unwrap().into()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// Between two looks at a fact.
#[allow(clippy::disallowed_methods)] // looking again is not waiting for time
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

#[allow(clippy::disallowed_methods)] // patience is measured here only
pub fn now() -> Instant {
    Instant::now()
}

/// Whether a path exists.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
