//! A program's settings as they would be written, for people who ask what is in force.
//!
//! Shown is what differs from the defaults, a key of [`PROGRAM_KEYS`] at a time and by its
//! first name; one place says how each looks. Of `env` only the names are shown: values may
//! be secrets.

use super::diff::differs;
use super::keys::PROGRAM_KEYS;
use super::program::unset;
use super::{
    Autorestart, Backoff, Capture, Condition, Dependency, EnvFile, Expected, Health, HealthHow,
    InheritEnv, Launch, Limit, MailOn, MaxRestarts, Output, Program, Ready, ReadyHow, Template,
};
use std::collections::BTreeSet;
use std::time::Duration;

/// The command of the process with this index, quoted as a POSIX shell would have it.
pub fn command_line(program: &Program, index: u32) -> String {
    words(&program.launch.cmd, index, &program.process_name(index))
}

fn words(words: &[Template], index: u32, name: &str) -> String {
    shell_words::join(words.iter().map(|word| word.expand(index, name)))
}

/// Every key that differs from its default, but for the command, with its value as it would be
/// written for the process with this index.
pub fn settings(program: &Program, index: u32) -> Vec<(&'static str, String)> {
    let default = unset(program.name.clone(), None);
    let process = One { program, default: &default, index, name: program.process_name(index) };
    let keys = PROGRAM_KEYS.iter().map(|key| key.name);
    let other = keys.filter(|key| *key != "cmd" && differs(key, &default, program));
    other.filter_map(|key| Some((key, process.shown(key)?))).collect()
}

/// The process whose settings are shown.
struct One<'p> {
    program: &'p Program,
    default: &'p Program,
    index: u32,
    name: String,
}

impl One<'_> {
    fn shown(&self, key: &str) -> Option<String> {
        let (policy, launch) = (&self.program.policy, &self.program.launch);
        Some(match key {
            "numprocs" => self.program.numprocs.to_string(),
            "autostart" => policy.autostart.to_string(),
            "autorestart" => autorestart(policy.autorestart).to_owned(),
            "exitcodes" => list(policy.exitcodes.iter().map(expected)),
            "starttime" => duration(policy.starttime),
            "startretries" => {
                policy.startretries.map_or("unlimited".to_owned(), |count| count.to_string())
            }
            "backoff" => backoff(&policy.backoff, &self.default.policy.backoff),
            "stopsignal" => policy.stopsignal.name(),
            "stoptime" => duration(policy.stoptime),
            "stopasgroup" => policy.stopasgroup.to_string(),
            "stdout" => self.output(&launch.stdout),
            "stderr" => self.output(&launch.stderr),
            "env" => variables(launch),
            "env_file" => list(launch.attributes.env_file.iter().map(|file| self.env_file(file))),
            "inherit_env" => inherit_env(&launch.attributes.inherit_env),
            "workingdir" => self.text(launch.attributes.workingdir.as_ref()?),
            "umask" => format!("{:03o}", launch.attributes.umask?),
            "user" => self.text(launch.attributes.user.as_ref()?),
            "group" => launch.attributes.group.clone()?,
            "limits" => {
                map(launch.attributes.limits.iter().map(|(name, value)| (*name, limit(value))))
            }
            "nice" => launch.attributes.nice?.to_string(),
            "oom_score_adj" => launch.attributes.oom_score_adj?.to_string(),
            "no_new_privs" => launch.attributes.no_new_privs.to_string(),
            "max_restarts" => max_restarts(policy.max_restarts?),
            "depends_on" => {
                depends_on(policy.depends_on.iter().map(|(name, need)| (&**name, need)))
            }
            "ready" => self.ready(policy.ready.as_ref()?),
            "health" => self.health(policy.health.as_ref()?),
            "critical" => policy.critical.to_string(),
            "mail" => match self.program.mail.as_ref()? {
                MailOn::Bool(word) => word.to_string(),
                MailOn::Only(on) => list(on.iter().map(|occasion| occasion.as_str().to_owned())),
            },
            _ => return None,
        })
    }

    fn text(&self, template: &Template) -> String {
        template.expand(self.index, &self.name)
    }

    fn env_file(&self, file: &EnvFile) -> String {
        format!("{}{}", if file.optional { "-" } else { "" }, self.text(&file.path))
    }

    fn output(&self, output: &Output) -> String {
        match output {
            Output::Auto => "auto".to_owned(),
            Output::Captured(capture) => self.capture(capture),
            Output::File(path) => self.text(path),
            Output::Discard => "discard".to_owned(),
            Output::Inherit => "inherit".to_owned(),
            Output::Stdout => "stdout".to_owned(),
        }
    }

    fn words(&self, cmd: &[Template]) -> String {
        words(cmd, self.index, &self.name)
    }

    fn ready(&self, ready: &Ready) -> String {
        let how = match &ready.how {
            ReadyHow::Notify => ("notify", true.to_string()),
            ReadyHow::Fd(number) => ("fd", number.to_string()),
            ReadyHow::Tcp(address) => ("tcp", address.to_string()),
            ReadyHow::Exec(cmd) => ("exec", self.words(cmd)),
        };
        let timeout = ("timeout", duration(ready.timeout));
        map([how, timeout].into_iter().chain(ready.watchdog.map(|t| ("watchdog", duration(t)))))
    }

    fn health(&self, health: &Health) -> String {
        let how = match &health.how {
            HealthHow::Exec(cmd) => ("exec", self.words(cmd)),
            HealthHow::Tcp(address) => ("tcp", address.to_string()),
            HealthHow::Http(url) => ("http", format!("http://{}{}", url.host, url.path)),
        };
        map([
            how,
            ("interval", duration(health.interval)),
            ("timeout", duration(health.timeout)),
            ("retries", health.retries.to_string()),
            ("start_period", duration(health.start_period)),
        ])
    }

    /// The file, and what is unlike `auto`.
    fn capture(&self, capture: &Capture) -> String {
        let usual = Capture::to(capture.file.clone());
        let mut keys = vec![("file", self.text(&capture.file))];
        if capture.max_bytes != usual.max_bytes {
            keys.push(("max_bytes", size(capture.max_bytes)));
        }
        if capture.keep != usual.keep {
            keys.push(("keep", capture.keep.to_string()));
        }
        if capture.timestamps != usual.timestamps {
            keys.push(("timestamps", capture.timestamps.to_string()));
        }
        map(keys)
    }
}

fn autorestart(value: Autorestart) -> &'static str {
    match value {
        Autorestart::Always => "always",
        Autorestart::Never => "never",
        Autorestart::Unexpected => "unexpected",
    }
}

fn expected(value: &Expected) -> String {
    match value {
        Expected::Code(code) => code.to_string(),
        Expected::Signal(signal) => signal.name(),
    }
}

/// What is unlike the default; where it is always the same delay, that.
fn backoff(value: &Backoff, default: &Backoff) -> String {
    if value.initial == value.max && value.factor <= 1.0 && value.jitter <= 0.0 {
        return duration(value.initial);
    }
    let one = |backoff: &Backoff| {
        [
            ("initial", duration(backoff.initial)),
            ("max", duration(backoff.max)),
            ("factor", backoff.factor.to_string()),
            ("jitter", backoff.jitter.to_string()),
        ]
    };
    let both = one(value).into_iter().zip(one(default));
    map(both.filter(|(here, usual)| here != usual).map(|(here, _)| here))
}

fn max_restarts(limit: MaxRestarts) -> String {
    map([("count", limit.count.to_string()), ("within", duration(limit.within))])
}

fn depends_on<'p>(needs: impl Iterator<Item = (&'p str, &'p Dependency)>) -> String {
    map(needs.map(|(name, need)| {
        let on = match need.on {
            Condition::Started => "started",
            Condition::Ready => "ready",
            Condition::Completed => "completed",
        };
        let with = || map([("on", on.to_owned()), ("restart", "with".to_owned())]);
        (name, if need.restart_with { with() } else { on.to_owned() })
    }))
}

/// The names alone, those of `daemon.env` among them.
fn variables(launch: &Launch) -> String {
    let names: BTreeSet<&String> =
        launch.attributes.base_env.keys().chain(launch.attributes.env.keys()).collect();
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.join(", ")
}

fn inherit_env(value: &InheritEnv) -> String {
    match value {
        InheritEnv::All => true.to_string(),
        InheritEnv::Nothing => false.to_string(),
        InheritEnv::Only(names) => list(names.iter().cloned()),
    }
}

fn limit(value: &Limit) -> String {
    let side = |side: Option<u64>| side.map_or("unlimited".to_owned(), |number| number.to_string());
    if value.soft == value.hard {
        return side(value.soft);
    }
    list([side(value.soft), side(value.hard)])
}

/// In the greatest unit that leaves no fraction.
fn duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    match seconds {
        0 if millis > 0 && time.subsec_nanos().is_multiple_of(1_000_000) => format!("{millis}ms"),
        _ if time.subsec_nanos() > 0 => format!("{}s", time.as_secs_f64()),
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// In the greatest unit that leaves no fraction.
fn size(bytes: u64) -> String {
    let units = [(30, "GB"), (20, "MB"), (10, "KB")];
    let whole = |(shift, _): &(u32, &str)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match units.into_iter().find(whole) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(", "))
}

fn map<'k>(items: impl IntoIterator<Item = (&'k str, String)>) -> String {
    let items = items.into_iter().map(|(key, value)| format!("{key}: {value}"));
    format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
}
