//! From a program's configuration to what the kernel is told: environment, files, identity.
//!
//! All that may fail here is a failed start of that process, with the step and the cause.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::capture::{Captures, Settings, Which};
use super::given::Given;
use super::identities::Identities;
pub(super) use super::launch_words::{cause_of, explain};
use super::probes::Voice;
use crate::config::{
    Capture, InheritEnv, Launch, Limit, Output, Program, Template, parse_env_file,
};
use crate::supervisor::Process;
use crate::sys::mounts::Mounts;
use crate::sys::spawn::{Extras, Mode, Recipe};
use crate::sys::users::{self, Ids};
use crate::sys::{cause, exec, files, limits, trust};

/// The most that an env file may hold, in bytes.
const ENV_FILE_LIMIT: u64 = 1024 * 1024;

/// What all starts share.
#[derive(Debug)]
pub(super) struct Kitchen {
    /// The daemon's own environment.
    inherited: BTreeMap<OsString, OsString>,
    null: File,
    /// Where captured output goes by itself; none: nothing can be kept, and it is inherited.
    log_folder: Option<PathBuf>,
    limits: Given,
    /// Of the configuration that counts.
    pub(super) identities: Identities,
    mounts: Mounts,
}

/// A recipe with the files it names, which must stay open until it is launched.
pub(super) struct Prepared {
    pub(super) recipe: Recipe,
    pub(super) mode: Mode,
    _open: Vec<File>,
}

impl Kitchen {
    /// Prepares to start processes, and to keep what they print in the state folder if there is one.
    ///
    /// # Errors
    /// Those of opening /dev/null.
    pub(super) fn new(state_dir: Option<&Path>, limits: Given) -> std::io::Result<Self> {
        Ok(Self {
            inherited: std::env::vars_os().filter(|(name, _)| !is_ours(name)).collect(),
            null: File::options().read(true).write(true).open("/dev/null")?,
            log_folder: state_dir.map(|folder| folder.join("log")),
            limits,
            identities: Identities::default(),
            mounts: Mounts::new(),
        })
    }

    /// Who a process of the program is to be.
    ///
    /// # Errors
    /// As [`Identities::of`].
    pub(super) fn ids(&self, program: &Program, index: u32) -> Result<Option<&Ids>, String> {
        self.identities.of(program, index)
    }

    /// All that a start of this process needs, with what it is to tell by that it is ready.
    ///
    /// # Errors
    /// The step and the cause, for people.
    pub(super) fn prepare(
        &self,
        process: &Process,
        captures: &mut Captures,
        voice: Voice,
    ) -> Result<Prepared, String> {
        let launch = &process.program.launch;
        let ids = self.ids(&process.program, process.index)?;
        let (mut recipe, mode) = self.recipe(process, &launch.cmd, voice.env)?;
        let mut open = Vec::new();
        // Only root can give a file away; who else is to become another fails at that step.
        let owner = ids.filter(|_| users::is_root()).map(|ids| (ids.uid, ids.gid));
        let mut stream = |which| self.stream(process, which, owner, captures, &mut open);
        let stdout = stream(Which::Stdout)?;
        let stderr = match (stream(Which::Stderr)?, &launch.stderr) {
            (None, Output::Stdout) => stdout.unwrap_or(1),
            (fd, _) => fd.unwrap_or(2),
        };
        recipe.stdio = [self.null.as_raw_fd(), stdout.unwrap_or(1), stderr];
        recipe.extras.pid_variable = voice.has_watchdog.then(|| c"WATCHDOG_PID".to_owned());
        if let Some((write, number)) = voice.line {
            recipe.extras.descriptor = Some((write.as_raw_fd(), number));
            open.push(write.into());
        }
        Ok(Prepared { recipe, mode, _open: open })
    }

    /// All that a command besides the program itself needs: it runs as the program would, with its
    /// environment, and prints where it is told to.
    ///
    /// # Errors
    /// As [`Kitchen::prepare`].
    pub(super) fn prepare_probe(
        &self,
        process: &Process,
        cmd: &[Template],
        stdio: [RawFd; 3],
    ) -> Result<(Recipe, Mode), String> {
        let (recipe, mode) = self.recipe(process, cmd, Vec::new())?;
        Ok((Recipe { stdio, ..recipe }, mode))
    }

    /// A command as the program's user, in its folder, under its limits and with its environment,
    /// to which `more` comes. Its output is still the daemon's.
    fn recipe(
        &self,
        process: &Process,
        cmd: &[Template],
        more: Vec<(&'static str, String)>,
    ) -> Result<(Recipe, Mode), String> {
        let launch = &process.program.launch;
        let (index, name) = (process.index, process.name());
        let ids = self.ids(&process.program, index)?;
        let mut env = self.environment(process, ids)?;
        env.extend(more.into_iter().map(|(key, value)| (key.into(), value.into())));
        let argv: Vec<CString> = cmd
            .iter()
            .map(|word| c_string(word.expand(index, &name), "cmd"))
            .collect::<Result<_, _>>()?;
        let command = argv.first().map(|word| word.to_string_lossy().into_owned());
        let command = command.unwrap_or_default();
        let path = env.get(OsStr::new("PATH")).map(|path| path.to_string_lossy());
        let found = exec::candidates(&command, path.as_deref());
        let folder =
            launch.attributes.workingdir.as_ref().map(|folder| folder.expand(index, &name));
        // Another user may stop the child before it is the program; see sys::spawn.
        let mode = match ids {
            Some(_) => Mode::Apart,
            None => self.mode(&found, folder.as_deref()),
        };
        let recipe = Recipe {
            argv,
            envp: env.into_iter().filter_map(pair).collect(),
            files: found,
            stdio: [self.null.as_raw_fd(), 1, 2],
            folder: folder.map(|folder| c_string(folder, "workingdir")).transpose()?,
            umask: launch.attributes.umask,
            ids: ids.filter(|ids| !is_me(ids)).map(|i| (i.uid, i.gid, i.groups.clone())),
            limits: self
                .inherited_limits()
                .chain(launch.attributes.limits.iter().filter_map(numbers))
                .collect(),
            nice: launch.attributes.nice,
            oom_score_adj: launch
                .attributes
                .oom_score_adj
                .and_then(|n| CString::new(n.to_string()).ok()),
            no_new_privs: launch.attributes.no_new_privs,
            record: None,
            extras: Extras::default(),
        };
        Ok((recipe, mode))
    }

    /// The daemon raises its own limit of open files, and lowers that of core dumps; what it starts
    /// has those it was given.
    pub(super) fn inherited_limits(&self) -> impl Iterator<Item = (u32, u64, u64)> + use<> {
        let limits = [("nofile", self.limits.open_files), ("core", self.limits.core)];
        let row = |(name, (soft, hard))| Some((limits::number(name)?, soft, hard));
        limits.into_iter().filter_map(row)
    }

    /// The daemon's own environment, for what is no program.
    pub(super) fn own_environment(&self) -> Vec<CString> {
        self.inherited.clone().into_iter().filter_map(pair).collect()
    }

    /// The PATH in it.
    pub(super) fn path(&self) -> Option<String> {
        self.inherited.get(OsStr::new("PATH")).map(|path| path.to_string_lossy().into_owned())
    }

    /// What is mounted, and may hang.
    pub(super) fn mounts(&self) -> &Mounts {
        &self.mounts
    }

    /// The limits that the daemon was started with, and that it may have changed since.
    pub(super) fn given(&self) -> Given {
        self.limits
    }

    /// Descriptor 0 of whom it does not concern.
    pub(super) fn null(&self) -> BorrowedFd<'_> {
        self.null.as_fd()
    }

    /// Its number.
    pub(super) fn null_number(&self) -> RawFd {
        self.null.as_raw_fd()
    }

    /// Whether the daemon may wait for the exec: not where it might hang.
    pub(super) fn mode(&self, found: &[CString], folder: Option<&str>) -> Mode {
        let files = found.iter().map(|file| Path::new(OsStr::from_bytes(file.to_bytes())));
        let places = folder.map(PathBuf::from).into_iter();
        let places = places.chain(files.map(|file| Path::new(folder.unwrap_or("")).join(file)));
        if self.mounts.any_may_hang(places) { Mode::Apart } else { Mode::Together }
    }

    /// The descriptor of a stream; none: the daemon's own, or the other stream's.
    fn stream(
        &self,
        process: &Process,
        which: Which,
        owner: Option<(u32, u32)>,
        captures: &mut Captures,
        open: &mut Vec<File>,
    ) -> Result<Option<i32>, String> {
        let key = (process.program.name.clone(), process.index, which);
        let file = match (self.capture(process, which), output(process, which)) {
            (Some(settings), _) => captures
                .open(key, settings)
                .map_err(|error| format!("capturing {}: {}", which.name(), cause(&error)))?,
            (None, other) => {
                captures.release(&key);
                let Output::File(path) = other else {
                    let null = self.null.as_raw_fd();
                    return Ok(matches!(other, Output::Discard).then_some(null));
                };
                let path = PathBuf::from(path.expand(process.index, &process.name()));
                files::open_log(&path, owner)
                    .map_err(|e| failed(&format!("opening {}", which.name()), &path, &e))?
            }
        };
        let fd = file.as_raw_fd();
        open.push(file);
        Ok(Some(fd))
    }

    /// How a stream is captured, if it is.
    pub(super) fn capture(&self, process: &Process, which: Which) -> Option<Settings> {
        self.capture_as(process, which, &process.name())
    }

    /// The same, if it is called so.
    pub(super) fn capture_as(
        &self,
        process: &Process,
        which: Which,
        name: &str,
    ) -> Option<Settings> {
        let auto = || {
            let file = self.log_folder.as_ref()?.join(format!("{name}.{}.log", which.name()));
            Some(Capture::to(Template::from(file.to_string_lossy().into_owned())))
        };
        let capture = match output(process, which) {
            Output::Auto => auto()?,
            Output::Captured(capture) => capture.clone(),
            Output::File(_) | Output::Discard | Output::Inherit | Output::Stdout => return None,
        };
        let ids = self.ids(&process.program, process.index).ok().flatten();
        Some(Settings {
            path: PathBuf::from(capture.file.expand(process.index, name)),
            max_bytes: capture.max_bytes,
            keep: capture.keep,
            timestamps: capture.timestamps,
            owner: ids.filter(|_| users::is_root()).map(|ids| (ids.uid, ids.gid)),
        })
    }

    /// Layer over layer, as taskmaster.yaml(5) lists them.
    fn environment(
        &self,
        process: &Process,
        ids: Option<&Ids>,
    ) -> Result<BTreeMap<OsString, OsString>, String> {
        let launch = &process.program.launch;
        let (index, name) = (process.index, process.name());
        let mut env = match &launch.attributes.inherit_env {
            InheritEnv::All => self.inherited.clone(),
            InheritEnv::Nothing => BTreeMap::new(),
            InheritEnv::Only(names) => {
                let kept = |name: &String| self.inherited.get_key_value(OsStr::new(name));
                names.iter().filter_map(kept).map(|(k, v)| (k.clone(), v.clone())).collect()
            }
        };
        let mut set = |key: &str, value: String| env.insert(key.into(), value.into());
        for (key, value) in &launch.attributes.base_env {
            set(key, value.expand(index, &name));
        }
        for (key, value) in env_files(launch, index, &name)? {
            set(&key, value);
        }
        if let Some(account) = ids.and_then(|ids| ids.account.as_ref()) {
            set("HOME", account.home.clone());
            set("USER", account.name.clone());
            set("LOGNAME", account.name.clone());
            set("SHELL", account.shell.clone());
        }
        for (key, value) in &launch.attributes.env {
            set(key, value.expand(index, &name));
        }
        set("TASKMASTER_PROGRAM", process.program.name.to_string());
        set("TASKMASTER_INDEX", index.to_string());
        set("TASKMASTER_PROCESS", name);
        Ok(env)
    }
}

/// Whether a variable is between this process and who started it: a program that took it for its
/// own would speak in the daemon's name.
fn is_ours(name: &OsStr) -> bool {
    ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"].iter().any(|ours| name == *ours)
}

/// Where a stream of a process is to go.
fn output(process: &Process, which: Which) -> &Output {
    match which {
        Which::Stdout => &process.program.launch.stdout,
        Which::Stderr => &process.program.launch.stderr,
    }
}

/// Whether there is nothing to become, which only root could.
fn is_me(ids: &Ids) -> bool {
    !users::is_root() && (ids.uid, ids.gid) == (users::me(), users::my_group())
}

fn env_files(launch: &Launch, index: u32, name: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for file in &launch.attributes.env_file {
        let path = PathBuf::from(file.path.expand(index, name));
        let reading = |error| failed("reading env_file", &path, &error);
        let (opened, provenance) = match trust::open(&path) {
            Err(error) if file.optional && error.kind() == std::io::ErrorKind::NotFound => continue,
            opened => opened.map_err(reading)?,
        };
        if users::is_root()
            && let Some(why) = provenance.distrust(&[])
        {
            return Err(format!("reading env_file {}: {why}", path.display()));
        }
        let text = files::read_text(opened, ENV_FILE_LIMIT).map_err(reading)?;
        let parsed = parse_env_file(&text);
        pairs.extend(parsed.map_err(|why| format!("reading env_file {}: {why}", path.display()))?);
    }
    Ok(pairs)
}

fn failed(act: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{act} {}: {}", path.display(), cause(error))
}

fn c_string(text: String, key: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| format!("{key} holds a NUL byte"))
}

fn pair((key, value): (OsString, OsString)) -> Option<CString> {
    let mut pair = key.into_vec();
    pair.push(b'=');
    pair.extend(value.into_vec());
    CString::new(pair).ok()
}

fn numbers((name, limit): (&&'static str, &Limit)) -> Option<(u32, u64, u64)> {
    let number = |value: Option<u64>| value.unwrap_or(limits::UNLIMITED);
    Some((limits::number(name)?, number(limit.soft), number(limit.hard)))
}
