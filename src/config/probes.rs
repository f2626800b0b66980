//! How a process tells that it is ready, and how it is asked whether it is well: `ready`, `health`.

use super::fields::{self, Fields};
use super::keys::{HEALTH_KEYS, READY_KEYS};
use super::launch::Names;
use super::read::Reader;
use super::template::Template;
use super::tree::Node;
use super::values::{self, boolean, integer, shown};
use std::net::SocketAddr;
use std::time::Duration;

/// When a process is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// How that is known.
    pub how: ReadyHow,
    /// How long it may take; after that the start has failed.
    pub timeout: Duration,
    /// With [`ReadyHow::Notify`] only: how often it must say that it is well, as sd_notify(3)
    /// has it; what does not is unhealthy.
    pub watchdog: Option<Duration>,
}

/// How it is known that a process is ready.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadyHow {
    /// It says so, as sd_notify(3) does.
    Notify,
    /// It writes a line to this descriptor of its own; 3 or more.
    Fd(i32),
    /// A connection to this address is accepted.
    Tcp(SocketAddr),
    /// This command exits 0; never empty.
    Exec(Vec<Template>),
}

/// Whether a process is well.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// How it is asked.
    pub how: HealthHow,
    /// From the end of one check to the beginning of the next; more than 0.
    pub interval: Duration,
    /// How long one may take; more than 0.
    pub timeout: Duration,
    /// It is unhealthy when so many have failed, one after the other; at least 1.
    pub retries: u32,
    /// From RUNNING on, failures do not count for so long; a success ends that time.
    pub start_period: Duration,
}

/// How it is asked whether a process is well.
#[derive(Debug, Clone, PartialEq)]
pub enum HealthHow {
    /// This command exits 0; never empty.
    Exec(Vec<Template>),
    /// A connection to this address is accepted.
    Tcp(SocketAddr),
    /// A GET of this is answered by a status of 200 to 299.
    Http(Url),
}

/// A URL of the scheme http.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Where to connect.
    pub address: SocketAddr,
    /// For the `Host` header: as it is written, with the port if one is.
    pub host: String,
    /// Path and query, from the slash on.
    pub path: String,
}

const READY_TIMEOUT: Duration = Duration::from_secs(60);

impl<'s> Reader<'s> {
    /// Reads `ready`: `notify`, or a map.
    pub(super) fn ready(&mut self, value: &'s Node, names: Names<'_>) -> Option<Ready> {
        if value.text().is_some() {
            let how = self.value(value, |text| match text {
                _ if text.eq_ignore_ascii_case("notify") => Ok(ReadyHow::Notify),
                _ => Err(format!(
                    "must be notify, or a map with fd, tcp or exec, not {}",
                    shown(text)
                )),
            })?;
            return Some(Ready { how, timeout: READY_TIMEOUT, watchdog: None });
        }
        let fields = fields::known(value, READY_KEYS, &mut self.report);
        let how = match self.one_of(value, &fields, &["notify", "fd", "tcp", "exec"])? {
            ("notify", said) => self.notify(said).then_some(ReadyHow::Notify),
            ("fd", number) => self.value(number, descriptor).map(ReadyHow::Fd),
            ("tcp", address) => self.value(address, probed).map(ReadyHow::Tcp),
            (_, cmd) => Some(ReadyHow::Exec(self.cmd(cmd, names))),
        };
        let mut timeout = READY_TIMEOUT;
        self.span(&mut timeout, &fields, "timeout");
        let watchdog = fields.get("watchdog").and_then(|field| {
            if how.is_some() && how != Some(ReadyHow::Notify) {
                self.report.error(field.key, "goes with `notify` only");
            }
            self.value(field.value, some_time)
        });
        Some(Ready { how: how?, timeout, watchdog })
    }

    /// Reads `health`, a map.
    pub(super) fn health(&mut self, value: &'s Node, names: Names<'_>) -> Option<Health> {
        let fields = fields::known(value, HEALTH_KEYS, &mut self.report);
        let how = match self.one_of(value, &fields, &["exec", "tcp", "http"])? {
            ("tcp", address) => self.value(address, probed).map(HealthHow::Tcp),
            ("http", text) => self.value(text, url).map(HealthHow::Http),
            (_, cmd) => Some(HealthHow::Exec(self.cmd(cmd, names))),
        };
        let (mut interval, mut timeout) = (Duration::from_secs(10), Duration::from_secs(5));
        self.span(&mut interval, &fields, "interval");
        self.span(&mut timeout, &fields, "timeout");
        let mut retries = 3;
        if let Some(field) = fields.get("retries") {
            self.set(&mut retries, field.value, |text| integer(text, 1, 1000));
        }
        let start_period = fields.get("start_period");
        let start_period =
            start_period.and_then(|field| self.value(field.value, values::parse_duration));
        let start_period = start_period.unwrap_or_default();
        Some(Health { how: how?, interval, timeout, retries, start_period })
    }

    /// The one of these keys that is there, with its value; none or several are an error.
    fn one_of(
        &mut self,
        map: &'s Node,
        fields: &Fields<'s>,
        keys: &[&'static str],
    ) -> Option<(&'static str, &'s Node)> {
        let there: Vec<_> = keys.iter().filter_map(|key| Some((*key, *fields.get(key)?))).collect();
        let all = keys.join(", ");
        match there.as_slice() {
            [(key, field)] => Some((key, field.value)),
            [] => {
                let is_map = matches!(map.value, super::tree::Value::Map(_));
                // What is no map has been reported.
                if is_map || matches!(map.value, super::tree::Value::Null) {
                    self.report.error(map, format!("does not say how: it needs one of {all}"));
                }
                None
            }
            [(first, _), (_, field), ..] => {
                let why = format!(
                    "is one too many: there is `{first}` already, and only one of {all} counts"
                );
                self.report.error(field.key, why);
                None
            }
        }
    }

    /// `notify: yes`, or no value at all.
    fn notify(&mut self, said: &'s Node) -> bool {
        if matches!(said.value, super::tree::Value::Null) {
            return true;
        }
        let yes = self.value(said, |text| match boolean(text) {
            Ok(true) => Ok(true),
            Ok(false) | Err(_) => Err(format!("must be yes, or left out, not {}", shown(text))),
        });
        yes.is_some()
    }

    /// Sets a time that is more than none.
    fn span(&mut self, into: &mut Duration, fields: &Fields<'s>, key: &str) {
        if let Some(field) = fields.get(key) {
            self.set(into, field.value, some_time);
        }
    }
}

pub(super) fn some_time(text: &str) -> Result<Duration, String> {
    match values::parse_duration(text)? {
        time if time.is_zero() => Err(format!("must be more than 0, not {}", shown(text))),
        time => Ok(time),
    }
}

fn descriptor(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(0..=2) => Err(format!(
            "must be 3 or more, not {text}: 0, 1 and 2 are standard input, output and error"
        )),
        _ => integer(text, 3, 1023),
    }
}

/// An address that is connected to.
fn probed(text: &str) -> Result<SocketAddr, String> {
    if text.contains("${") {
        return Err("is one address for all processes: for one of its own ask by `exec`, where \
                    ${...} is expanded"
            .to_owned());
    }
    match values::address(text, "127.0.0.1:8080", INSTEAD)? {
        address if address.port() == 0 => Err("must have a port, 1 to 65535, not 0".to_owned()),
        address => Ok(address),
    }
}

/// What else to do about a name.
const INSTEAD: &str = ", or localhost, or ask it by `exec`";

fn url(text: &str) -> Result<Url, String> {
    let example =
        || Err(format!("must be a URL such as http://127.0.0.1:8080/health, not {}", shown(text)));
    let Some((scheme, rest)) = text.split_once("://") else { return example() };
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {}
        "https" => {
            return Err("the daemon speaks no TLS: ask by `exec`, as with curl -fsS".to_owned());
        }
        _ => return example(),
    }
    let visible = |letter: char| letter.is_ascii_graphic() && letter != '#';
    if rest.contains('@') || !rest.chars().all(visible) {
        return example();
    }
    let (host, path) =
        rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    // After the brackets of an IPv6 address.
    let has_port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':');
    let with_port = if has_port { host.to_owned() } else { format!("{host}:80") };
    if host.is_empty() {
        return example();
    }
    let address = probed(&with_port)?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(Url { address, host: host.to_owned(), path: format!("{slash}{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_an_address_a_host_and_a_path() {
        for (text, address, host, path) in [
            ("http://127.0.0.1", "127.0.0.1:80", "127.0.0.1", "/"),
            ("HTTP://localhost:8080/", "127.0.0.1:8080", "localhost:8080", "/"),
            ("http://[::1]/a?b=c", "[::1]:80", "[::1]", "/a?b=c"),
            ("http://[::1]:81?x", "[::1]:81", "[::1]:81", "/?x"),
        ] {
            let address = address.parse().unwrap();
            let (host, path) = (host.to_owned(), path.to_owned());
            assert_eq!(url(text), Ok(Url { address, host, path }), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_says_what_would_be_one() {
        for text in [
            "",
            "/health",
            "http://",
            "ftp://127.0.0.1/",
            "http://a@127.0.0.1/",
            "http://127.0.0.1/#a",
            "http://127.0.0.1/ b",
        ] {
            let why = url(text).unwrap_err();
            assert!(why.starts_with("must be a URL such as http://"), "{text}: {why}");
        }
        for (text, why) in [
            ("https://127.0.0.1/", "the daemon speaks no TLS: ask by `exec`, as with curl -fsS"),
            (
                "http://example.org/",
                "the daemon resolves no names: write the address of example.org, or localhost, or ask it by `exec`",
            ),
            ("http://127.0.0.1:0/", "must have a port, 1 to 65535, not 0"),
        ] {
            assert_eq!(url(text).unwrap_err(), why);
        }
    }
}
