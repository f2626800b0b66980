//! Bytes of any kind, read by whatever reads bytes: what must hold of each.
//!
//! The fuzz targets call these with what they find, and the ordinary tests with random bytes.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use crate::config::{self, Config, Files, Surroundings, diff};
use crate::daemon::left;
use crate::logger::{Order, Report};
use crate::protocol::hello::{ClientHello, Greeting, Secret, Side, Welcome, unhex};
use crate::protocol::{LINE_LIMIT, Lines, Reply, Request};
use crate::supervisor::{Moment, Supervisor};

/// Reads bytes, and holds what must hold.
pub type Read = fn(&[u8]);

/// Every kind of input, by its name.
pub const ALL: [(&str, Read); 9] = [
    ("config", config),
    ("disabled", left::disabled),
    ("env_file", env_file),
    ("handover", left::handover),
    ("journal", left::journal),
    ("logger", logger),
    ("reply", reply),
    ("request", request),
    ("selector", selector),
];

/// One text, whatever file is asked for.
struct Text<'a>(&'a str);

impl Files for Text<'_> {
    fn read(&self, _: &Path) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, _: &Path) -> Result<Vec<String>, String> {
        Ok(vec!["taskmaster.yaml".to_owned(), "other.yaml".to_owned()])
    }

    fn vet(&self, _: &Path, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
}

fn surroundings() -> Surroundings {
    let env = [("HOME", "/home/me"), ("PATH", "/bin")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Surroundings { root: false, env: env.into(), cwd: PathBuf::from("/srv") }
}

fn load(text: &str) -> Result<Config, config::Problems> {
    config::load(Path::new("taskmaster.yaml"), &surroundings(), &Text(text))
}

/// A configuration of a few programs.
pub fn example() -> Config {
    load("programs: {web: {cmd: x, numprocs: 3}, w2: {cmd: x}, 'é.x': {cmd: x}}").unwrap()
}

/// A configuration is loaded, or refused with a reason for each problem; loaded again it is the same.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    config::daemon_only(Path::new("taskmaster.yaml"), text, &surroundings());
    match load(text) {
        Ok(config) => {
            let again = load(text).expect("what was good is good");
            assert!(diff(&config, &again).is_empty(), "it differs from itself");
            for program in config.programs.values() {
                assert!((1..=10_000).contains(&program.numprocs));
                assert!(!program.launch.cmd.is_empty());
            }
        }
        Err(problems) => {
            assert!(!problems.list.is_empty());
            for problem in &problems.list {
                assert!(!problem.to_string().is_empty());
                let _ = problem.excerpt();
            }
        }
    }
}

/// Names of an env file are such that execve(2) takes them.
pub fn env_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for (name, value) in config::parse_env_file(text).unwrap_or_default() {
        assert!(!name.is_empty() && !name.contains(['=', '\0', '\n']), "{name:?}");
        assert!(!value.contains('\0'), "{value:?}");
    }
}

/// What was understood of a message comes back as it went.
pub fn logger(bytes: &[u8]) {
    if let Ok(order) = Order::decode(bytes) {
        assert_eq!(Order::decode(&order.encode().unwrap()).unwrap(), order);
    }
    if let Ok(report) = Report::decode(bytes) {
        assert_eq!(Report::decode(&report.encode().unwrap()).unwrap(), report);
    }
}

/// The client's side: a reply that was understood is said again in the same words.
pub fn reply(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(Some(reply)) = Reply::from_line(text) {
        let line = reply.to_line();
        let again = Reply::from_line(line.trim_end()).expect("its own words").expect("known");
        assert_eq!(again.to_line(), line);
    }
    let _ = serde_json::from_str::<Greeting>(text);
    let _ = serde_json::from_str::<Welcome>(text);
}

/// The server's side: lines in any pieces are the same lines, and each is a request or refused in
/// few words.
pub fn request(bytes: &[u8]) {
    let lines = |size: usize| {
        let (mut lines, mut seen) = (Lines::new(LINE_LIMIT), Vec::new());
        for piece in bytes.chunks(size) {
            lines.push(piece);
            while let Some(Ok(line)) = lines.next_line() {
                seen.push(line);
            }
        }
        seen
    };
    let whole = lines(bytes.len().max(1));
    if !bytes.is_empty() && std::str::from_utf8(bytes).is_ok() {
        assert_eq!(whole, lines(3));
    }
    let secret = Secret::from_file(b"hush").unwrap();
    for line in whole {
        if let Err(why) = Request::parse(&line) {
            assert!(!why.is_empty() && why.len() < 2000, "{why}");
        }
        if let Ok(hello) = serde_json::from_str::<ClientHello>(&line) {
            assert!(!secret.verify(Side::Client, "00", &hello.nonce, &hello.proof));
        }
        if let Some(bytes) = unhex(&line) {
            assert_eq!(bytes.len() * 2, line.len());
        }
    }
}

/// A selector means processes that there are, or is named.
pub fn selector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = example();
    let none = load("").unwrap();
    let changes = diff(&none, &config);
    let mut supervisor = Supervisor::new();
    let plan = supervisor.plan(&config, &changes);
    #[allow(clippy::disallowed_methods)] // any point in time will do
    let now = Moment { at: Instant::now(), wall: SystemTime::UNIX_EPOCH, dice: 0.0 };
    supervisor.apply(plan, &config, &changes, now);
    let selectors: Vec<String> = text.split(' ').map(str::to_owned).collect();
    match supervisor.select(&selectors) {
        Ok(ids) => {
            assert!(ids.iter().all(|id| supervisor.get(*id).is_some()));
            assert!(ids.len() <= 5);
        }
        Err(unknown) => assert!(selectors.contains(&unknown.selector)),
    }
}
