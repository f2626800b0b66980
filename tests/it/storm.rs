//! Random lives of the real daemon, as src/supervisor/world/storm.rs has them without a kernel:
//! commands, deaths, reloads, upgrades and clients in any order, from a seed that is printed when one goes
//! wrong. `STORM=SEED cargo test --test it storm` lives through one of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::bench::{Bench, children, lives, proc, programs_of};
use crate::facts::{exit, rows};

const SEEDS: u64 = 6;
const STEPS: usize = 60;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// Tells the seed if what it stands beside panics.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was STORM={}", self.0);
        }
    }
}

/// Programs that stay, that go by themselves, that cannot be started, and that do not hear TERM.
fn programs(dice: &mut Dice) -> String {
    let mut text = String::new();
    for (place, name) in NAMES.into_iter().enumerate() {
        if dice.below(6) == 0 {
            continue;
        }
        let cmd = dice.one(&[
            "sleep 1000",
            "sleep 1000",
            "sh -c 'exec sleep 0.1'",
            "/nowhere/to/be/found",
            "sh -c 'trap \"\" TERM; while :; do sleep 1; done'",
        ]);
        let (restart, numprocs) = (dice.one(&["always", "unexpected", "never"]), dice.below(3) + 1);
        let (starttime, output) = (dice.one(&["0", "0.05"]), dice.one(&["auto", "discard"]));
        let needs = if place > 0 && text.starts_with("a:") && dice.below(4) == 0 {
            ", depends_on: [a]"
        } else {
            ""
        };
        text += &format!(
            "{name}: {{cmd: {cmd:?}, autorestart: {restart}, numprocs: {numprocs}, starttime: {starttime}, \
             stdout: {output}, stderr: stdout, stoptime: 0.1, startretries: 3, \
             backoff: {{initial: 0.05, max: 0.2}}{needs}}}\n"
        );
    }
    if text.is_empty() { "{}".to_owned() } else { text }
}

/// No process is there twice, by the names that they were given.
fn no_second_copy(bench: &Bench) {
    let mut seen = BTreeMap::new();
    for pid in programs_of(bench.pid()) {
        // What it started has its environment, and may be dying still.
        let stat = proc(pid, "stat");
        let session = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3));
        if session != Some(&pid.to_string()) {
            continue;
        }
        let environ = proc(pid, "environ");
        let value = |key: &str| environ.split('\0').find_map(|pair| pair.strip_prefix(key));
        let program = value("TASKMASTER_PROGRAM=").zip(value("TASKMASTER_INDEX="));
        let Some((program, index)) = program.map(|(p, i)| (p.to_owned(), i.to_owned())) else {
            continue; // it is no program yet, or no more
        };
        if let Some(other) = seen.insert((program.clone(), index.clone()), pid) {
            assert!(
                !lives(other) || !lives(pid),
                "{program}:{index} is there twice: {other} {pid}"
            );
        }
    }
}

/// Whether what is said and what there is agree, and nothing is under way.
fn is_at_rest(bench: &Bench, stopped: &BTreeSet<String>) -> bool {
    let rows = rows(&mut bench.client());
    let resting = |row: &serde_json::Value| {
        ["STOPPED", "RUNNING", "EXITED", "FATAL", "WAITING", "BACKOFF", "STARTING"]
            .contains(&row["state"].as_str().unwrap())
    };
    let pids = rows.values().filter_map(|row| Some(row["pid"].as_i64()? as i32));
    let said: BTreeSet<i32> = pids.collect();
    let there: BTreeSet<i32> = programs_of(bench.pid()).into_iter().collect();
    for (name, row) in &rows {
        let state = row["state"].as_str().unwrap();
        assert!(
            !stopped.contains(name) || ["STOPPED", "STOPPING"].contains(&state),
            "{name} {row}"
        );
    }
    rows.values().all(resting) && said == there && said.into_iter().all(lives)
}

fn live(seed: u64) {
    let _seed = Seed(seed);
    let mut dice = Dice(seed);
    let mut bench = Bench::up(&programs(&mut dice));
    let mut wire = bench.client();
    let mut idle = Vec::new();
    for _ in 0..STEPS {
        let name = dice.one(&NAMES);
        match dice.below(10) {
            0..=3 => {
                let command = dice.one(&["start", "stop", "restart", "signal HUP"]);
                let wait = if command.starts_with("signal") { "" } else { "--no-wait" };
                // There may be none of this name.
                assert!([0, 1, 4].contains(&exit(&wire.ask(&format!("{command} {wait} {name}")))));
            }
            4 | 5 => {
                let pids = programs_of(bench.pid());
                if !pids.is_empty() {
                    let pid = nix::unistd::Pid::from_raw(dice.one(&pids));
                    let _ = nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL);
                }
            }
            6 => {
                bench.configure(&programs(&mut dice));
                assert_eq!(exit(&wire.ask("reload")), 0);
            }
            7 => {
                let mut client = bench.client();
                client.send(dice.one(&["events", "start --timeout 5s all", "tail -f a", "sta"]));
                if dice.below(2) == 0 {
                    idle.push(client);
                }
            }
            8 => match dice.below(3) {
                0 => assert_eq!(bench.ctl("upgrade").status, 0),
                _ => idle.clear(),
            },
            _ => no_second_copy(&bench),
        }
    }
    // What a person stops now stays so, while all else comes to rest.
    let mut stopped: BTreeSet<String> =
        rows(&mut wire).into_keys().filter(|_| dice.below(3) == 0).collect();
    // One that was on its way out of the configuration may have gone meanwhile.
    stopped.retain(|name| match exit(&wire.ask(&format!("stop {name}"))) {
        0 => true,
        status => {
            assert_eq!(status, 4, "{name}");
            false
        }
    });
    bench.until("what is said and what there is agree", |bench| is_at_rest(bench, &stopped));
    no_second_copy(&bench);
    let left = children(bench.pid());
    drop((wire, idle));
    bench.stop();
    assert!(!left.into_iter().any(lives));
}

#[test]
fn random_lives_of_the_daemon_come_to_rest_and_to_an_end() {
    let one = std::env::var("STORM").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(0..SEEDS, |seed| seed..seed + 1);
    seeds.for_each(live);
}
