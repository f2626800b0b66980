//! `taskmaster check`: reads the configuration and prints every problem.

use std::io::Write as _;

use super::identities::Identities;
use super::{Options, lacks, source};
use crate::config::{Config, Problems};
use crate::sys::process::is_terminal;

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
    let (config, texts) = match source::load_and_keep(&path, &options.surroundings) {
        Ok(read) => read,
        Err(problems) => {
            let _ = writeln!(stderr, "{}", shown(&problems));
            return 2;
        }
    };
    let around = &options.surroundings;
    let path = around.env.get("PATH").map(String::as_str);
    let identities = Identities::look_up(&config);
    let look = lacks::Look::new(&identities, path, None);
    for warning in lacks::warnings(&config, &texts, around, look) {
        let _ = writeln!(stderr, "warning: {warning}");
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
