//! Daemons that are killed at any moment, again and again, while everything happens at once.
//!
//! Of every process that is wanted exactly one runs, those that nobody touched keep their pid from
//! beginning to end, and no line that was printed is lost or doubled.
//!
//! Thirty rounds of each are in the ordinary suite. More are not; `ROUNDS` is how many, 300 by
//! default. A round costs the same however many went before:
//!
//! `ROUNDS=10000 cargo test --locked --release --test it -- --ignored --nocapture many_daemons_killed`
//! `ROUNDS=1000 cargo test --locked --release --test it -- --ignored --nocapture many_upgrades`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Shutdown;
use std::thread::JoinHandle;

use serde_json::Value;

use super::output::{COUNTER, Counted, logs, whole_log};
use crate::bench::{Bench, Wire, lives, proc};
use crate::facts::{exit, rows};

/// Numbers by chance, from a seed that a failure tells (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Lets other processes get on for a moment: to meet them at any point, not to wait for something.
#[allow(clippy::disallowed_methods)] // any time will do
fn let_pass(micros: u64) {
    std::thread::sleep(std::time::Duration::from_micros(micros));
}

/// The processes that have this line in their environment, each with the value of another.
fn with_environment(line: &str, key: &str) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for pid in pids.filter_map(|pid| pid.parse().ok()) {
        let environment = proc(pid, "environ");
        let lines: Vec<&str> = environment.split('\0').collect();
        let value = lines.iter().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
        if let Some(value) = value.filter(|_| lines.contains(&line) && lives(pid)) {
            found.push((pid, value.to_owned()));
        }
    }
    found
}

/// After so many rounds what was printed is looked at and removed, and the rest goes to new files:
/// no more of it is kept than of that many, and a failure shows soon.
const PART: u64 = 100;

/// They count, one of them untouched from beginning to end.
const COUNTERS: [&str; 2] = ["count", "quiet"];

struct Chaos {
    bench: Bench,
    chance: Chance,
    /// What a reload changes.
    version: u64,
    /// Of the files that counters print to.
    part: u64,
    /// What they have printed to those before.
    counted: BTreeMap<&'static str, Counted>,
    /// The pids of those that nobody touches.
    calm: BTreeMap<String, i64>,
}

impl Chaos {
    fn new() -> Self {
        let seed = std::process::id().into();
        eprintln!("the seed is {seed}");
        let bench = Bench::new("");
        bench.write("counter", &COUNTER.replace("PAUSE", "0.02"));
        let counted = COUNTERS.map(|name| (name, Counted::default())).into();
        let (chance, calm) = (Chance(seed), BTreeMap::new());
        let mut chaos = Self { bench, chance, version: 0, part: 0, counted, calm };
        chaos.configure();
        chaos.bench.start();
        let mut client = chaos.bench.client();
        chaos.check(&mut client);
        chaos
    }

    fn configure(&mut self) {
        self.version += 1;
        let (here, version) = (self.bench.path("").display().to_string(), self.version);
        let env = format!("env: {{BENCH: '{here}'}}");
        let rest = "starttime: 0, backoff: 0, autorestart: always";
        let log = |name: &str| {
            format!("stdout: {{file: '{}', max_bytes: 1KB, keep: 1000}}", self.file(name))
        };
        let surplus = 5 + version % 3;
        self.bench.configure(&format!(
            "calm: {{cmd: sleep 1000000, numprocs: 20, {rest}, {env}}}\n\
             busy: {{cmd: sleep 1000000, numprocs: 15, {rest}, {env}, stoptime: {version}}}\n\
             fewer: {{cmd: sleep 1000000, numprocs: {surplus}, {rest}, {env}}}\n\
             changed: {{cmd: sleep 1000000, numprocs: 3, {rest}, env: {{BENCH: '{here}', V: {version}}}}}\n\
             slow: {{cmd: sleep 1000000, numprocs: 2, {env}, starttime: 0.05, backoff: 0.1, autorestart: always}}\n\
             count: {{cmd: perl counter, {rest}, {env}, {}}}\n\
             quiet: {{cmd: perl counter, {rest}, {env}, {}}}\n",
            log("count"),
            log("quiet"),
        ));
    }

    /// Where a counter prints to.
    fn file(&self, name: &str) -> String {
        format!("{name}.{}.log", self.part)
    }

    /// Has counters print to new files. All that the quiet one printed to the old ones.
    fn begin_part(&mut self) -> String {
        let done = COUNTERS.map(|name| (name, self.file(name)));
        self.part += 1;
        self.configure();
        let answer = self.bench.client().ask("reload");
        assert_eq!(exit(&answer), 0, "{answer:?}");
        let [_, whole] = done.map(|(name, file)| {
            let next = self.file(name);
            // By then all is in the old ones that belongs there.
            self.bench.until("it goes on", |bench| !bench.read(&next).is_empty());
            self.count(name, &file)
        });
        eprintln!("{} rounds", self.part * PART);
        whole
    }

    /// Looks at what a counter has printed to these files, and removes them.
    fn count(&mut self, name: &str, file: &str) -> String {
        let whole = whole_log(&self.bench, file);
        self.counted.get_mut(name).unwrap().take(&whole);
        logs(&self.bench, file)
            .iter()
            .for_each(|log| fs::remove_file(self.bench.path(log)).unwrap());
        whole
    }

    /// One thing that somebody might ask for. Counters end by TERM, so that they can say so.
    fn act(&mut self, client: &mut Wire) {
        let number = self.chance.below(15);
        match self.chance.below(8) {
            0 => client.send(&format!("stop --no-wait busy:{number}")),
            1 => client.send(&format!("start --no-wait busy:{number}")),
            2 => client.send(&format!("restart --no-wait busy:{number} slow:0")),
            3 => client.send(&format!("signal KILL busy:{number}")),
            4 => client.send("restart --no-wait count"),
            5 => client.send("restart --no-wait changed"),
            6 => client.send("signal KILL slow:1"),
            _ => {
                self.configure();
                client.send("reload");
            }
        }
    }

    fn round(&mut self) {
        let mut client = self.bench.client();
        for _ in 0..self.chance.below(12) {
            self.act(&mut client);
            let_pass(self.chance.below(3000));
        }
        let_pass(self.chance.below(2000));
        self.bench.kill();
        if self.chance.below(4) == 0 {
            // The next one while it begins, too.
            self.bench.launch(self.bench.daemon_command());
            let_pass(self.chance.below(20_000));
            self.bench.kill();
        }
        let_pass(self.chance.below(2000));
        let mut client = self.bench.start_again();
        self.check(&mut client);
    }

    /// The same, but the daemon is upgraded while it goes on.
    fn upgrade_round(&mut self) {
        let mut client = self.bench.client();
        let actions = self.chance.below(12);
        let upgrade = self.chance.below(actions + 1);
        for action in 0..=actions {
            if action == upgrade {
                self.bench.client().send("upgrade");
            }
            self.act(&mut client);
            let_pass(self.chance.below(3000));
        }
        let mut client = self.bench.client();
        let answer = client.ask("upgrade");
        assert_eq!(exit(&answer), 0, "{answer:?}");
        self.check(&mut client);
    }

    /// Soon all is settled, and exactly those run that shall; never do two run of one. One that was
    /// killed a moment ago may still be seen, and one that was launched not yet: before execve(2)
    /// is through, which lets go of the daemon sooner, it has no environment.
    fn check(&mut self, client: &mut Wire) {
        let tag = format!("BENCH={}", self.bench.path("").display());
        let settled =
            |row: &Value| ["RUNNING", "STOPPED"].contains(&row["state"].as_str().unwrap());
        let mut told = BTreeMap::new();
        self.bench.until("all is settled, and as it is told", |_| {
            told = rows(client);
            let found: Vec<(i32, String)> = with_environment(&tag, "TASKMASTER_PROCESS");
            let names: BTreeSet<&String> = found.iter().map(|(_, name)| name).collect();
            assert_eq!(names.len(), found.len(), "one runs twice: {found:?}");
            let pid = |(name, row): (&String, &Value)| Some((row["pid"].as_i64()?, name.clone()));
            let found = found.into_iter().map(|(pid, name)| (i64::from(pid), name));
            let found: BTreeSet<(i64, String)> = found.collect();
            told.values().all(settled) && found == told.iter().filter_map(pid).collect()
        });
        for (name, row) in told {
            let Some(pid) = row["pid"].as_i64() else {
                assert!(name.starts_with("busy"), "nobody stopped {row}");
                continue;
            };
            if name.starts_with("calm") || name == "quiet" {
                assert_eq!(*self.calm.entry(name).or_insert(pid), pid, "{row}");
            }
        }
    }

    /// Nothing is missing at the end. All that the quiet one printed last.
    fn end(mut self) -> String {
        self.bench.stop();
        let [_, whole] = COUNTERS.map(|name| self.count(name, &self.file(name)));
        for (name, counted) in self.counted {
            assert!(counted.end() > 10, "{name}");
        }
        whole
    }
}

/// How many rounds of those there are that are not in the ordinary suite.
fn many() -> u64 {
    std::env::var("ROUNDS").ok().map_or(300, |text| text.parse().unwrap())
}

fn kills(count: u64) {
    let mut chaos = Chaos::new();
    for round in 1..=count {
        chaos.round();
        if round % PART == 0 && round < count {
            chaos.begin_part();
        }
    }
    chaos.end();
}

/// What `tail -f` prints of the quiet counter.
struct Follower {
    client: std::net::TcpStream,
    text: JoinHandle<String>,
}

impl Follower {
    fn new(bench: &Bench) -> Self {
        let mut wire = bench.client();
        wire.send("tail -f -n 1000 quiet");
        let client = wire.stream.try_clone().unwrap();
        let text = std::thread::spawn(move || {
            let mut text = String::new();
            while let Some(reply) = wire.line() {
                text += reply["output"]["text"].as_str().unwrap_or_default();
            }
            text
        });
        Self { client, text }
    }

    /// It was all there, as far as it came.
    fn end(self, whole: &str) {
        let _ = self.client.shutdown(Shutdown::Both);
        let text = self.text.join().unwrap();
        assert!(text.len() > 100 && whole.starts_with(&text), "{text}\n{whole}");
    }
}

fn upgrades(count: u64) {
    let mut chaos = Chaos::new();
    let mut follower = Follower::new(&chaos.bench);
    let daemon = chaos.bench.pid();
    for round in 1..=count {
        chaos.upgrade_round();
        if round % PART == 0 && round < count {
            let whole = chaos.begin_part();
            follower.end(&whole);
            follower = Follower::new(&chaos.bench);
        }
    }
    assert_eq!(chaos.bench.ctl("pid").out, format!("{daemon}\n"));
    let whole = chaos.end();
    follower.end(&whole);
}

#[test]
fn thirty_upgrades_under_load_lose_and_double_nothing() {
    upgrades(30);
}

#[test]
#[ignore = "takes minutes, or hours"]
fn many_upgrades_under_load_lose_and_double_nothing() {
    upgrades(many());
}

#[test]
fn thirty_daemons_killed_at_any_moment_lose_and_double_nothing() {
    kills(30);
}

#[test]
#[ignore = "takes minutes, or hours"]
fn many_daemons_killed_at_any_moment_lose_and_double_nothing() {
    kills(many());
}
