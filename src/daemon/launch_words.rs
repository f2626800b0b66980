//! Why a launch failed, in words: the step with its object, and the cause.

use crate::supervisor::Process;
use crate::sys::cause;
use crate::sys::spawn::{Failure, Step};

/// Why a launch failed, where there is no process to speak of.
pub(super) fn cause_of(failure: &Failure) -> String {
    cause(&failure.cause)
}

/// The failure of a launch, for people: the step with its object, and the cause.
pub(super) fn explain(failure: &Failure, process: &Process) -> String {
    let launch = &process.program.launch;
    let (index, name) = (process.index, process.name());
    let expanded = |word: Option<&crate::config::Template>| {
        word.map(|word| word.expand(index, &name)).unwrap_or_default()
    };
    let step = match failure.step {
        Step::Launching => "launching".to_owned(),
        Step::NewSession => "making a session".to_owned(),
        Step::Stdio => "redirecting its output".to_owned(),
        Step::OomScore => "setting oom_score_adj".to_owned(),
        Step::Limits => "setting its limits".to_owned(),
        Step::Nice => "setting nice".to_owned(),
        Step::Ids => match (&launch.attributes.user, &launch.attributes.group) {
            (None, Some(group)) => format!("becoming group {group}"),
            (user, _) => format!("becoming user {}", expanded(user.as_ref())),
        },
        Step::NoNewPrivs => "setting no_new_privs".to_owned(),
        Step::Descriptor => "giving it the descriptor that `ready` names".to_owned(),
        Step::Folder => {
            format!("changing directory to {}", expanded(launch.attributes.workingdir.as_ref()))
        }
        Step::Exec => {
            let command = expanded(launch.cmd.first());
            if !command.contains('/') && failure.cause.raw_os_error() == Some(2) {
                return format!("executing {command}: not found in any folder of PATH");
            }
            format!("executing {command}")
        }
    };
    format!("{step}: {}", cause(&failure.cause))
}
