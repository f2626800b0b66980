//! The `daemon:` section.

use super::fields::{self, Fields};
use super::find;
use super::keys::LOG_KEYS;
use super::output::{Own, is_taken_for_more};
use super::read::Reader;
use super::template::Template;
use super::tree::Node;
use super::values::{self, shown};
use super::{Daemon, ExitWhen, Level, Log, LogFormat, LogTarget, parse_duration};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

impl<'s> Reader<'s> {
    /// Reads the section; what is wrong or missing in it has its default.
    pub(super) fn daemon(&mut self, fields: &Fields<'s>) -> Daemon {
        let state_dir = self.state_dir(fields);
        let secret_file = fields.get("secret_file").and_then(|field| self.path(field.value));
        let secret_file = secret_file.or_else(|| self.surroundings.secret_file());
        let secret_file = secret_file.unwrap_or_else(|| state_dir.join("secret"));
        let mut daemon = Daemon {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4242)),
            log: Log {
                target: LogTarget::in_state_dir(&state_dir),
                level: Level::Info,
                format: LogFormat::Text,
                max_bytes: 1 << 20,
                keep: 2,
            },
            state_dir,
            secret_file,
            user: None,
            umask: None,
            shutdown_time: Duration::from_secs(60),
            exit_when: ExitWhen::Never,
        };
        for (key, field) in fields {
            let value = field.value;
            match *key {
                "listen" => self.set(&mut daemon.listen, value, listen),
                "log" => self.log(value, &mut daemon.log),
                "user" => daemon.user = self.text(value),
                "umask" => daemon.umask = self.value(value, values::umask),
                "shutdown_time" => self.set(&mut daemon.shutdown_time, value, parse_duration),
                "exit_when" => self.set(&mut daemon.exit_when, value, exit_when),
                // The paths are read above, and `env` with each program.
                _ => {}
            }
        }
        daemon
    }

    fn state_dir(&mut self, fields: &Fields<'s>) -> PathBuf {
        let named = fields.get("state_dir");
        let path = named.and_then(|field| self.path(field.value));
        path.or_else(|| find::state_dir(self.surroundings)).unwrap_or_else(|| {
            if named.is_none() {
                let why = "daemon.state_dir has no default, as neither XDG_STATE_HOME nor HOME \
                           is set: name a folder";
                self.report.error_in_file(0, None, why);
            }
            PathBuf::from("/nonexistent/taskmaster")
        })
    }

    fn log_target(&mut self, value: &'s Node) -> Option<LogTarget> {
        let text = value.text().unwrap_or_default();
        if let Some(own) = Own::of(&Template::from(text)) {
            if let Own::Stderr = own {
                return Some(LogTarget::Stderr);
            }
            let why = own.is_no_file(&Template::from(text)) + ": the log may go to stderr";
            self.report.error(value, why);
            return None;
        }
        match text.to_ascii_lowercase().as_str() {
            "stderr" => Some(LogTarget::Stderr),
            "syslog" => Some(LogTarget::Syslog),
            word if is_taken_for_more(word) => {
                let why = format!(
                    "must be stderr, syslog or the path of a file; one that is called {word} is \
                     written ./{word}"
                );
                self.report.error(value, why);
                None
            }
            _ => self.path(value).map(LogTarget::File),
        }
    }

    fn log(&mut self, section: &'s Node, log: &mut Log) {
        for (key, field) in fields::known(section, LOG_KEYS, &mut self.report) {
            let value = field.value;
            match key {
                "file" => {
                    if let Some(target) = self.log_target(value) {
                        log.target = target;
                        self.log_at = Some(value);
                    }
                }
                "level" => self.set(&mut log.level, value, level),
                "format" => self.set(&mut log.format, value, format),
                "max_bytes" => self.set(&mut log.max_bytes, value, values::size),
                "keep" => self.set(&mut log.keep, value, |text| values::integer(text, 0, 1000)),
                _ => {}
            }
        }
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    values::address(text, "127.0.0.1:4242", ", or localhost")
}

fn exit_when(text: &str) -> Result<ExitWhen, String> {
    match text.to_ascii_lowercase().as_str() {
        "never" => Ok(ExitWhen::Never),
        "all_exited" => Ok(ExitWhen::AllExited),
        _ => Err(format!("must be never or all_exited, not {}", shown(text))),
    }
}

fn level(text: &str) -> Result<Level, String> {
    match text.to_ascii_lowercase().as_str() {
        "error" => Ok(Level::Error),
        "warning" | "warn" => Ok(Level::Warning),
        "info" => Ok(Level::Info),
        "debug" => Ok(Level::Debug),
        _ => Err(format!("must be error, warning, info or debug, not {}", shown(text))),
    }
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not {}", shown(text))),
    }
}
