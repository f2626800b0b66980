//! What is odd about a configuration: its own warnings, and what this machine lacks for it.
//!
//! None of it is a problem of the file: users, folders, files and commands may yet come. As long as
//! one does not, what needs it fails to start. The daemon does not look at what lies on a file system
//! that may hang.

use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::identities::Identities;
use super::texts::Texts;
use crate::config::{
    Asks, Config, InheritEnv, Launch, Login, Missing, Output, Password, Problems, Program, Server,
    Smtp, Surroundings, tell_missing,
};
use crate::sys::mounts::Mounts;
use crate::sys::{exec, limits, trust, users};

/// All of it, a line each, with the places in the texts that the configuration was read from.
pub(super) fn warnings(
    config: &Config,
    texts: &Texts,
    surroundings: &Surroundings,
    mut look: Look<'_>,
) -> Vec<String> {
    let mut missing = Vec::new();
    if let Some(Err(error)) =
        config.daemon.user.as_deref().map(|user| users::resolve(Some(user), None))
    {
        missing.push(Missing { asks: Asks::Daemon("user"), what: error });
    }
    let programs = config.programs.values();
    missing.extend(programs.flat_map(|program| for_program(program, &mut look)));
    missing.extend(for_reports(config, &look));
    let missing = match missing.is_empty() {
        true => Problems::default(),
        false => tell_missing(&config.file, surroundings, texts, missing),
    };
    lines(&config.warnings).chain(lines(&missing)).chain(too_many_streams(config)).collect()
}

fn lines(warnings: &Problems) -> impl Iterator<Item = String> {
    let rest = match warnings.more {
        0 => None,
        1 => Some("and 1 more warning".to_owned()),
        more => Some(format!("and {more} more warnings")),
    };
    warnings.list.iter().map(ToString::to_string).chain(rest)
}

/// A look at the machine.
pub(super) struct Look<'a> {
    identities: &'a Identities,
    /// The daemon's own PATH.
    path: Option<&'a str>,
    /// Where to look might take for ever; none: whoever asks can wait.
    mounts: Option<&'a Mounts>,
    /// Commands that are there, each with the folder and the PATH that it was looked for from: ten
    /// thousand programs may well run one.
    found: HashSet<(String, PathBuf, Option<String>)>,
}

impl<'a> Look<'a> {
    /// Given the users of the configuration, the daemon's own PATH, and for who cannot wait the mounts.
    pub(super) fn new(
        identities: &'a Identities,
        path: Option<&'a str>,
        mounts: Option<&'a Mounts>,
    ) -> Self {
        Self { identities, path, mounts, found: HashSet::new() }
    }

    fn may_hang(&self, place: &Path) -> bool {
        self.mounts.is_some_and(|mounts| mounts.any_may_hang([place.to_owned()].into_iter()))
    }

    fn finds(&self, file: &Path) -> bool {
        self.may_hang(file) || file.exists()
    }

    fn finds_any(&self, files: &[CString], folder: &Path) -> bool {
        files.iter().any(|file| self.finds(&folder.join(OsStr::from_bytes(file.to_bytes()))))
    }

    fn finds_folder(&self, folder: &Path) -> bool {
        self.may_hang(folder) || folder.is_dir()
    }
}

/// What a start of the program would miss.
fn for_program(program: &Program, look: &mut Look<'_>) -> Vec<Missing> {
    let launch = &program.launch;
    let name = program.process_name(0);
    let mut missing = Vec::new();
    let mut say = |key, what| {
        missing.push(Missing { asks: Asks::Program(Rc::clone(&program.name), key), what });
    };
    if let Err(error) = look.identities.of(program, 0) {
        let user = launch.attributes.user.is_some() && !error.starts_with("no such group");
        say(if user { "user" } else { "group" }, error);
    }
    let folder = launch.attributes.workingdir.as_ref().map(|folder| folder.expand(0, &name));
    if let Some(folder) = folder.as_deref().filter(|folder| !look.finds_folder(Path::new(folder))) {
        say("workingdir", format!("no such folder: {folder}"));
    }
    for file in &launch.attributes.env_file {
        let path = PathBuf::from(file.path.expand(0, &name));
        if !look.may_hang(&path)
            && let Some(why) = no_env_file(&path, file.optional)
        {
            say("env_file", why);
        }
    }
    for (key, output) in [("stdout", &launch.stdout), ("stderr", &launch.stderr)] {
        // The folder of a captured one is made by the logger.
        if let Output::File(path) = output {
            let path = path.expand(0, &name);
            let above = Path::new(&path).parent();
            if let Some(above) = above.filter(|folder| !look.finds_folder(folder)) {
                say(key, format!("no such folder: {}", above.display()));
            }
        }
    }
    if let Some(command) = no_command(launch, folder.as_deref(), &name, look) {
        say("cmd", command);
    }
    missing
}

/// Why a start would not read the file. What stands in it is looked at by each start.
fn no_env_file(path: &Path, optional: bool) -> Option<String> {
    if !path.exists() {
        return (!optional).then(|| format!("no such file: {}", path.display()));
    }
    let (_, provenance) = trust::open(path).ok()?;
    let why = provenance.distrust(&[]).filter(|_| users::is_root())?;
    Some(format!("{}: {why}", path.display()))
}

fn no_command(
    launch: &Launch,
    folder: Option<&str>,
    name: &str,
    look: &mut Look<'_>,
) -> Option<String> {
    let command = launch.cmd.first()?.expand(0, name);
    let own = launch.attributes.env.get("PATH").or_else(|| launch.attributes.base_env.get("PATH"));
    let path = match own {
        Some(path) => Some(path.expand(0, name)),
        None if launch.attributes.env_file.is_empty() => look.path.map(str::to_owned),
        // An env file may set PATH: only a start can tell.
        None => return None,
    };
    let path = path.filter(|_| own.is_some() || launch.attributes.inherit_env == InheritEnv::All);
    let asked = (command, PathBuf::from(folder.unwrap_or(".")), path);
    if look.found.contains(&asked) {
        return None;
    }
    let (command, folder, path) = &asked;
    if !look.finds_any(&exec::candidates(command, path.as_deref()), folder) {
        return Some(no_such_command(command));
    }
    look.found.insert(asked);
    None
}

fn no_such_command(command: &str) -> String {
    match command.contains('/') {
        true => format!("no such file: {command}"),
        false => format!("{command} is not in any folder of PATH"),
    }
}

/// What mail and hooks would miss.
fn for_reports(config: &Config, look: &Look<'_>) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut need = |key, path: &Path| {
        if !look.finds(path) {
            let what = format!("no such file: {}", path.display());
            missing.push(Missing { asks: Asks::Mail(key), what });
        }
    };
    match config.mail.as_ref().map(|mail| &mail.server) {
        Some(Server::Sendmail(program)) => need("server", program),
        Some(Server::Smtp(Smtp { login: Some(Login { password, .. }), .. })) => match password {
            Password::File(file) => need("password_file", file),
            Password::Text(_) => {}
        },
        Some(Server::Smtp(_) | Server::Folder(_)) | None => {}
    }
    let commands = config.hooks.iter().map(|hook| hook.cmd.first());
    for (number, command) in commands.enumerate().filter_map(|(n, command)| Some((n, command?))) {
        if !look.finds_any(&exec::candidates(command, look.path), Path::new("")) {
            missing.push(Missing { asks: Asks::Hook(number), what: no_such_command(command) });
        }
    }
    missing
}

/// Each captured stream takes an open file of the daemon's and one of the logger's.
fn too_many_streams(config: &Config) -> Option<String> {
    /// For clients, and for what else is open.
    const OTHERS: u64 = 128;
    let of = |program: &Program| {
        let outputs = [&program.launch.stdout, &program.launch.stderr];
        let captured: u64 = outputs.map(|output| u64::from(output.is_captured())).iter().sum();
        u64::from(program.numprocs) * captured
    };
    let streams: u64 = config.programs.values().map(|program| of(program)).sum();
    let (_, most) = limits::open_files();
    (streams.saturating_add(OTHERS) > most).then(|| {
        format!(
            "{}: {streams} captured streams, but only {most} files may be open: raise the hard \
             limit (ulimit -Hn), or let some be discarded",
            config.file.display()
        )
    })
}
