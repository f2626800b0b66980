//! `taskmaster check --mail`: a test message, by the way that reports go, step by step.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use super::report::{PASSED_ON, errand};
use super::when;
use crate::config::{Config, Mail};
use crate::mail::{Errand, Place, UNREACHED, test_message};
use crate::sys::poll::Poller;
use crate::sys::{cause, children, clock, files, process, signals, wait};

/// How long one that was killed, and what it had started, may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether they are.
const PAUSE: Duration = Duration::from_millis(10);

/// Sends it. Whether everybody got it; the steps are on stdout, what went wrong on stderr.
pub(super) fn try_mail(config: &Config) -> bool {
    let mut stderr = std::io::stderr();
    let file = config.file.display();
    let Some(mail) = &config.mail else {
        let _ = writeln!(stderr, "{file}: there is no `mail:` section: nothing can be sent");
        return false;
    };
    let errand = test(mail, &config.file);
    match send(&errand) {
        Ok(status) if status.success() => {
            let _ = writeln!(std::io::stdout(), "sent to {}", mail.to.join(", "));
            true
        }
        Ok(status) => {
            let _ = writeln!(stderr, "{}", verdict(status, mail));
            false
        }
        Err(error) => {
            let _ = writeln!(stderr, "taskmaster: starting the sender: {}", cause(&error));
            false
        }
    }
}

fn test(mail: &Mail, file: &Path) -> Errand {
    let host = process::host_name();
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let place = Place { host: host.clone(), file: file.display().to_string() };
    errand(mail, test_message(&place), Vec::new(), host)
}

/// As the daemon does, with the same input and the same environment.
///
/// It stays in the group of whoever called this, for the keys of a terminal to reach it; so it is not
/// by their group that those are found whom it has started.
fn send(errand: &Errand) -> std::io::Result<ExitStatus> {
    let input = serde_json::to_vec(errand).map_err(std::io::Error::other)?;
    // Where whoever called this ignores the ends of children, this one could not be waited for.
    signals::default_child();
    process::become_subreaper()?;
    // Some that whoever executed this had started.
    let others = children::list();
    let passed = PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let status = Command::new("/proc/self/exe")
        .arg0("taskmaster")
        .arg("mail")
        .env_clear()
        .envs(passed)
        .env("PATH", super::report::SENDMAIL_PATH)
        .stdin(Stdio::from(files::in_memory(&input)?))
        .status()?;
    if status.signal().is_some() {
        end_orphans(&others);
    }
    Ok(status)
}

/// Kills what a sender that was killed has started, and theirs as they become ours: else a message
/// might be sent that nobody is told of.
fn end_orphans(others: &[i32]) {
    let until = clock::now() + PATIENCE;
    loop {
        let mut left = children::list();
        left.retain(|pid| !others.contains(pid));
        if left.is_empty() || clock::now() >= until {
            return;
        }
        for pid in left {
            let _ = signals::send(pid, signals::KILL, false);
            wait::reap(pid);
        }
        // Nothing to wait for but time.
        let _ = Poller::new().wait(Some(PAUSE));
    }
}

fn verdict(status: ExitStatus, mail: &Mail) -> String {
    if status.code() == Some(i32::from(UNREACHED)) {
        return "the message was sent, but not to everybody".to_owned();
    }
    match status.signal() {
        // The last step has no end, and its line none either.
        Some(libc::SIGALRM) => {
            let time = when::span(mail.timeout);
            format!("\nno end within {time} (mail.timeout): the message was not sent")
        }
        Some(signal) => {
            format!("\nkilled by {}: the message was not sent", super::words::signal_name(signal))
        }
        None => "the message was not sent".to_owned(),
    }
}
