//! Daemons that are killed at any moment, again and again, while everything happens at once.
//!
//! Of every process that is wanted exactly one runs, those that nobody touched keep their pid from
//! beginning to end, and no line that was printed is lost or doubled.

use std::collections::BTreeMap;

use serde_json::Value;

use super::output::{COUNTER, check_counted, whole_log};
use crate::bench::{Bench, Wire, lives, proc};

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

struct Chaos {
    bench: Bench,
    chance: Chance,
    /// What a reload changes.
    version: u64,
    /// The pids of those that nobody touches.
    calm: BTreeMap<String, i64>,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let bench = Bench::new("");
        bench.write("counter", &COUNTER.replace("PAUSE", "0.02"));
        let mut chaos = Self { bench, chance: Chance(seed), version: 0, calm: BTreeMap::new() };
        chaos.configure();
        chaos.bench.start();
        chaos
    }

    fn configure(&mut self) {
        self.version += 1;
        let (here, version) = (self.bench.path("").display().to_string(), self.version);
        let env = format!("env: {{BENCH: '{here}'}}");
        let rest = "starttime: 0, backoff: 0, autorestart: always";
        let log =
            |name: &str| format!("stdout: {{file: '{name}.log', max_bytes: 1KB, keep: 1000}}");
        let surplus = 5 + version % 3;
        self.bench.configure(&format!(
            "calm: {{cmd: sleep 1000, numprocs: 20, {rest}, {env}}}\n\
             busy: {{cmd: sleep 1000, numprocs: 15, {rest}, {env}, stoptime: {version}}}\n\
             fewer: {{cmd: sleep 1000, numprocs: {surplus}, {rest}, {env}}}\n\
             changed: {{cmd: sleep 1000, numprocs: 3, {rest}, env: {{BENCH: '{here}', V: {version}}}}}\n\
             slow: {{cmd: sleep 1000, numprocs: 2, {env}, starttime: 0.05, autorestart: always}}\n\
             count: {{cmd: perl counter, {rest}, {env}, {}}}\n\
             quiet: {{cmd: perl counter, {rest}, {env}, {}}}\n",
            log("count"),
            log("quiet"),
        ));
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
        let_pass(self.chance.below(2000));
        self.bench.start();
        self.check();
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
        let answer = self.bench.client().ask("upgrade");
        assert_eq!(answer.last().unwrap()["end"]["exit"], 0, "{answer:?}");
        self.check();
    }

    fn check(&mut self) {
        let tag = format!("BENCH={}", self.bench.path("").display());
        let settled =
            |row: &Value| ["RUNNING", "STOPPED"].contains(&row["state"].as_str().unwrap());
        self.bench.until("all is settled", |bench| bench.rows().iter().all(settled));
        let rows = self.bench.rows();
        let mut wanted: Vec<(i32, String)> = Vec::new();
        for row in &rows {
            let name = row["name"].as_str().unwrap().to_owned();
            let Some(pid) = row["pid"].as_i64() else {
                assert!(name.starts_with("busy"), "nobody stopped {row}");
                continue;
            };
            wanted.push((i32::try_from(pid).unwrap(), name.clone()));
            if name.starts_with("calm") || name == "quiet" {
                assert_eq!(*self.calm.entry(name).or_insert(pid), pid, "{row}");
            }
        }
        let mut found = with_environment(&tag, "TASKMASTER_PROCESS");
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{}", self.bench.log());
    }

    fn end(mut self) {
        self.bench.stop();
        for name in ["count", "quiet"] {
            assert!(check_counted(&whole_log(&self.bench, &format!("{name}.log"))) > 10);
        }
    }
}

fn rounds(count: u64) {
    let seed = std::process::id().into();
    eprintln!("the seed is {seed}");
    let mut chaos = Chaos::new(seed);
    chaos.check();
    for _ in 0..count {
        chaos.round();
    }
    chaos.end();
}

/// All that `tail -f` prints until the daemon ends.
fn follow(bench: &Bench, name: &str) -> std::thread::JoinHandle<String> {
    let mut client = bench.client();
    client.send(&format!("tail -f -n 1000 {name}"));
    std::thread::spawn(move || {
        let mut text = String::new();
        while let Some(reply) = client.line() {
            text += reply["output"]["text"].as_str().unwrap_or_default();
        }
        text
    })
}

fn upgrades(count: u64) {
    let seed = std::process::id().into();
    eprintln!("the seed is {seed}");
    let mut chaos = Chaos::new(seed);
    let followed = follow(&chaos.bench, "quiet");
    chaos.check();
    let daemon = chaos.bench.pid();
    for _ in 0..count {
        chaos.upgrade_round();
    }
    assert_eq!(chaos.bench.ctl("pid").out, format!("{daemon}\n"));
    chaos.bench.stop();
    let whole = whole_log(&chaos.bench, "quiet.log");
    let followed = followed.join().unwrap();
    assert!(followed.len() > 100 && whole.starts_with(&followed), "{followed}\n{whole}");
    for name in ["count", "quiet"] {
        assert!(check_counted(&whole_log(&chaos.bench, &format!("{name}.log"))) > 10);
    }
}

#[test]
fn thirty_upgrades_under_load_lose_and_double_nothing() {
    upgrades(30);
}

#[test]
#[ignore = "takes minutes: the same three hundred times"]
fn three_hundred_upgrades_under_load_lose_and_double_nothing() {
    upgrades(300);
}

#[test]
fn thirty_daemons_killed_at_any_moment_lose_and_double_nothing() {
    rounds(30);
}

#[test]
#[ignore = "takes minutes: the same three hundred times"]
fn three_hundred_daemons_killed_at_any_moment_lose_and_double_nothing() {
    rounds(300);
}
