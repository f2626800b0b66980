//! `taskmaster check`: reads the configuration and prints every problem.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::given::Given;
use super::recipe::Kitchen;
use super::{Options, source};
use crate::config::{Config, Login, Password, Problems, Program, Server, Smtp};
use crate::sys::process::is_terminal;
use crate::sys::{exec, limits};

/// Prints what is wrong on stderr. The exit status: 0, or 2 with problems.
pub fn check(options: &Options) -> u8 {
    let mut stderr = std::io::stderr();
    let path = match source::locate(options.config.as_deref(), &options.surroundings) {
        Ok(path) => path,
        Err(error) => {
            let _ = writeln!(stderr, "taskmaster: {error}");
            return 2;
        }
    };
    let config = match source::load(&path, &options.surroundings) {
        Ok(config) => config,
        Err(problems) => {
            let _ = writeln!(stderr, "{}", shown(&problems));
            return 2;
        }
    };
    if let Ok(mut kitchen) = Kitchen::new(Some(&config.daemon.state_dir), Given::now()) {
        kitchen.look_up(&config);
        for warning in warnings(&config, &kitchen) {
            let _ = writeln!(stderr, "warning: {warning}");
        }
    }
    let _ = writeln!(std::io::stdout(), "{}", summary(&config));
    if options.mail && !super::try_mail::try_mail(&config) { 2 } else { 0 }
}

/// That all is well, and how much there is of it.
pub(super) fn summary(config: &Config) -> String {
    let processes: u64 = config.programs.values().map(|program| u64::from(program.numprocs)).sum();
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let programs = config.programs.len() as u64;
    format!(
        "{}: no problems, {programs} program{}, {processes} process{}",
        config.file.display(),
        plural(programs),
        if processes == 1 { "" } else { "es" },
    )
}

/// The configuration's own warnings, and what this machine lacks for it.
pub(super) fn warnings(config: &Config, kitchen: &Kitchen) -> Vec<String> {
    let file = config.file.display();
    let missing = config.programs.values().flat_map(|program| kitchen.missing(program));
    let missing = missing.map(|what| format!("{file}: {what}"));
    let own = config.warnings.iter().map(ToString::to_string);
    let reports = missing_for_reports(config, kitchen);
    let reports = reports.into_iter().map(|what| format!("{file}: {what}"));
    own.chain(missing).chain(reports).chain(too_many_streams(config)).collect()
}

/// What mail and hooks would miss: files that are not there.
fn missing_for_reports(config: &Config, kitchen: &Kitchen) -> Vec<String> {
    let mut missing = Vec::new();
    let mut need = |key: &str, path: &Path| {
        if !path.exists() {
            missing.push(format!("{key}: no such file: {}", path.display()));
        }
    };
    match config.mail.as_ref().map(|mail| &mail.server) {
        Some(Server::Sendmail(program)) => need("mail.server", program),
        Some(Server::Smtp(Smtp { login: Some(Login { password, .. }), .. })) => match password {
            Password::File(file) => need("mail.password_file", file),
            Password::Text(_) => {}
        },
        Some(Server::Smtp(_) | Server::Folder(_)) | None => {}
    }
    for command in config.hooks.iter().filter_map(|hook| hook.cmd.first()) {
        let files = exec::candidates(command, kitchen.path().as_deref());
        if !files.iter().any(|file| Path::new(OsStr::from_bytes(file.to_bytes())).exists()) {
            missing.push(match command.contains('/') {
                true => format!("hooks.cmd: no such file: {command}"),
                false => format!("hooks.cmd: {command} is not in any folder of PATH"),
            });
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

/// All problems; with the line and a caret under the place where a person reads them.
pub(super) fn shown(problems: &Problems) -> String {
    if !is_terminal(&std::io::stderr()) {
        return problems.to_string();
    }
    let mut text = String::new();
    for problem in &problems.list {
        text.push_str(&format!("{problem}\n"));
        if let Some(excerpt) = problem.excerpt() {
            text.push_str(&format!("{}\n", excerpt.trim_end()));
        }
    }
    text.extend(problems.rest());
    text.trim_end().to_owned()
}
