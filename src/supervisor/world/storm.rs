//! Thousands of random lives, each from a seed that is printed when one of them goes wrong.
//!
//! Here nothing happens in order: between a decision and what is done about it processes die,
//! people change their minds, the configuration is read again and time passes, early or late. A
//! process that has ended is a zombie until it is reaped. Whatever comes, what was promised holds;
//! [`Storm::holds`] and [`Storm::perform`] say what that is.
//!
//! `STORM=SEED cargo test storm` lives through one of them.

use super::order::on;
use super::ready::ready;
use super::*;

/// How many lives, and how many steps each.
const LIVES: u64 = 3000;
const STEPS: usize = 80;

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

struct Storm {
    dice: Dice,
    supervisor: Supervisor,
    config: Config,
    now: Moment,
    next_pid: Pid,
    live: BTreeSet<Pid>,
    /// Of those the ones of which nobody has heard that they were executed.
    unexecuted: BTreeSet<Pid>,
    /// Ended and not reaped.
    zombies: BTreeMap<Pid, Exit>,
    /// Those that a person has stopped since anybody wanted them up.
    stopped: BTreeSet<Id>,
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Storm {
    fn new(seed: u64) -> Self {
        #[allow(clippy::disallowed_methods)] // any point in time will do
        let at = Instant::now();
        let mut storm = Self {
            dice: Dice(seed),
            supervisor: Supervisor::new(),
            config: config(Vec::new()),
            now: Moment { at, wall: SystemTime::UNIX_EPOCH, dice: 0.0 },
            next_pid: 100,
            live: BTreeSet::new(),
            unexecuted: BTreeSet::new(),
            zombies: BTreeMap::new(),
            stopped: BTreeSet::new(),
        };
        storm.reload();
        storm
    }

    /// Programs of any kind; each depends on one before it, if on any, so that there is no circle.
    fn programs(&mut self) -> Vec<Program> {
        let mut programs = Vec::new();
        for (place, name) in NAMES.into_iter().enumerate() {
            if self.dice.below(5) == 0 {
                continue;
            }
            let mut made = program(name, self.dice.below(3) as u32 + 1);
            if place > 0 && self.dice.below(3) == 0 {
                let before = NAMES[self.dice.below(place)];
                let there = programs.iter().any(|p: &Program| &*p.name == before);
                let how = self.dice.one(&[Condition::Started, Condition::Ready]);
                made = if there { on(made, &[(before, how)]) } else { made };
            }
            if self.dice.below(3) == 0 {
                made = ready(made, self.dice.one(&[0, 1, 10]));
            }
            let dice = &mut self.dice;
            let policy = made.policy_mut();
            policy.autostart = dice.below(4) > 0;
            policy.autorestart =
                dice.one(&[Autorestart::Always, Autorestart::Never, Autorestart::Unexpected]);
            policy.starttime = millis(dice.one(&[0, 500, 1000]));
            policy.startretries = dice.one(&[Some(0), Some(1), Some(3), None]);
            policy.backoff.initial = millis(dice.one(&[100, 1000]));
            policy.stoptime = millis(dice.one(&[0, 1000, 10_000]));
            policy.stopasgroup = dice.below(2) == 0;
            made.attributes_mut().nice = dice.one(&[None, None, Some(1)]);
            programs.push(made);
        }
        programs
    }

    fn reload(&mut self) {
        let programs = self.programs();
        let new = config(programs);
        let changes = diff(&self.config, &new);
        let plan = self.supervisor.plan(&new, &changes);
        let stays = |storm: &Self, id: &Id| {
            storm.supervisor.get(*id).is_some_and(|process| !process.is_leaving())
        };
        self.stopped = self.stopped.iter().copied().filter(|id| stays(self, id)).collect();
        self.supervisor.apply(plan, &new, &changes, self.now);
        self.stopped = self.stopped.iter().copied().filter(|id| stays(self, id)).collect();
        self.config = new;
    }

    fn any_id(&mut self) -> Option<Id> {
        let ids: Vec<Id> = self.supervisor.ids().collect();
        (!ids.is_empty()).then(|| self.dice.one(&ids))
    }

    fn any_live(&mut self) -> Option<Pid> {
        let pids: Vec<Pid> = self.live.iter().copied().collect();
        (!pids.is_empty()).then(|| self.dice.one(&pids))
    }

    /// One thing happens. Whether somebody wanted it, who may then have what was given up again.
    fn step(&mut self) -> bool {
        match self.dice.below(19) {
            0..=4 => self.perform(),
            5 | 6 => self.reap(),
            7 | 8 => {
                let code = self.dice.below(2) as i32;
                if let Some(pid) = self.any_live() {
                    self.die(pid, Exit::Code(code));
                }
            }
            9 | 10 => {
                self.now.at += millis(self.dice.one(&[0, 1, 99, 500, 1000, 11_000]));
                self.supervisor.tick(self.now);
                let due = self.supervisor.next_deadline();
                assert!(due.is_none_or(|due| due > self.now.at), "what was due is due for ever");
            }
            11 => {
                self.roll();
                return true;
            }
            16 => {
                if let Some(pid) = self.unexecuted.first().copied()
                    && self.live.contains(&pid)
                {
                    self.executed(pid);
                }
            }
            17 | 18 => {
                if let Some(pid) = self.any_live()
                    && !self.unexecuted.contains(&pid)
                {
                    let id = self.supervisor.by_pid(pid).unwrap();
                    self.supervisor.event(id, Event::Ready(pid), self.now);
                }
            }
            12 => {
                if let Some(id) = self.any_id() {
                    self.supervisor.ask(id, Event::Stop, self.now);
                    self.stopped.insert(id);
                }
            }
            13 | 14 => {
                let event = self.dice.one(&[Event::Start, Event::Restart]);
                if let Some(id) = self.any_id() {
                    self.want(id);
                    self.supervisor.ask(id, event, self.now);
                }
                return true;
            }
            _ => {
                // What a roll is yet to start is known while nothing changes what needs what.
                if self.dice.below(4) == 0 && !self.supervisor.has_rolls() {
                    self.reload();
                }
                return true;
            }
        }
        false
    }

    /// Somebody wants some of them replaced one by one.
    fn roll(&mut self) {
        let all: Vec<Id> = self.supervisor.ids().collect();
        let some: Vec<Id> = all.into_iter().filter(|_| self.dice.below(2) == 0).collect();
        let before = self.stopped.clone();
        some.iter().for_each(|id| self.want(*id));
        if self.supervisor.roll(&some, self.now).is_err() {
            self.stopped = before;
        }
    }

    /// Somebody wants this one up, and with it all that it depends on.
    fn want(&mut self, id: Id) {
        let Some(process) = self.supervisor.get(id) else { return };
        let mut names = vec![process.program.name.clone()];
        self.stopped.remove(&id);
        while let Some(name) = names.pop() {
            let Some(program) = self.config.programs.get(&*name) else { continue };
            for needed in program.policy.depends_on.keys() {
                let of = |id: &Id| self.supervisor.get(*id).unwrap().program.name == *needed;
                self.stopped.retain(|id| !of(id));
                names.push(needed.clone());
            }
        }
    }

    /// Does the next of what was decided, as the daemon does.
    fn perform(&mut self) {
        let Some(effect) = self.supervisor.next_effect() else { return };
        match effect {
            Effect::Spawn(id) => {
                if !self.supervisor.wants_spawn(id, self.now) {
                    return;
                }
                assert!(!self.stopped.contains(&id), "started after somebody stopped it");
                assert!(!self.supervisor.is_shutting_down(), "started during a shutdown");
                let process = self.supervisor.get(id).unwrap();
                assert_eq!(process.state.process(), None, "a second copy");
                if self.dice.below(8) == 0 {
                    return self.supervisor.spawn_failed(id, "gone".to_owned(), self.now);
                }
                self.live.insert(self.next_pid);
                let apart = self.dice.below(4) == 0;
                let event = if apart { Event::Forked } else { Event::Spawned };
                if apart {
                    self.unexecuted.insert(self.next_pid);
                }
                self.supervisor.event(id, event(self.next_pid), self.now);
                self.next_pid += 1;
            }
            Effect::Signal { id, pid, signal, group } => {
                let process = self.supervisor.get(id).and_then(|p| p.state.process());
                if process.is_none_or(|(now, _)| now != pid) {
                    return;
                }
                let ours = self.live.contains(&pid) || self.zombies.contains_key(&pid);
                assert!(ours, "a signal to who knows whom");
                let kill = signal == Signal::KILL.number();
                assert!(!kill || group, "SIGKILL goes to the group");
                let goes = kill || (signal == libc::SIGTERM && self.dice.below(3) > 0);
                if goes && self.live.contains(&pid) {
                    self.die(pid, Exit::Signal(signal));
                }
            }
            Effect::Told { id, .. } | Effect::Rolled { id, .. } | Effect::Unhealthy(id, _) => {
                assert!(self.supervisor.get(id).is_some(), "told of nobody");
            }
            Effect::Forgotten { id, .. } => {
                self.stopped.remove(&id);
            }
        }
    }

    fn die(&mut self, pid: Pid, exit: Exit) {
        assert!(self.live.remove(&pid));
        self.zombies.insert(pid, exit);
    }

    fn executed(&mut self, pid: Pid) {
        self.unexecuted.remove(&pid);
        let id = self.supervisor.by_pid(pid).expect("a process that nobody knows");
        self.supervisor.event(id, Event::Executed(pid), self.now);
    }

    fn reap(&mut self) {
        while let Some((pid, exit)) = self.zombies.pop_first() {
            // Its exec may be heard of with its end.
            if self.unexecuted.contains(&pid) && self.dice.below(2) == 0 {
                self.executed(pid);
            }
            let id = self.supervisor.by_pid(pid).expect("a process that nobody knows");
            self.supervisor.event(id, Event::Ended(pid, exit), self.now);
            let ran = matches!(self.supervisor.get(id).unwrap().state, State::Exited { .. });
            assert!(!(self.unexecuted.remove(&pid) && ran), "it ended before it was executed");
        }
    }

    fn given_up(&self) -> Vec<Id> {
        let is = |id: &Id| matches!(self.supervisor.get(*id).unwrap().state, State::Fatal { .. });
        self.supervisor.ids().filter(is).collect()
    }

    /// What there is and what is known of it agree.
    fn holds(&self) {
        let all = self.supervisor.ids().map(|id| (id, self.supervisor.get(id).unwrap()));
        let pids: Vec<(Pid, Id)> =
            all.filter_map(|(id, process)| Some((process.state.process()?.0, id))).collect();
        assert!(pids.iter().all(|(pid, id)| self.supervisor.by_pid(*pid) == Some(*id)));
        let known: BTreeSet<Pid> = pids.iter().map(|(pid, _)| *pid).collect();
        assert_eq!(known.len(), pids.len(), "two with one pid");
        let real: BTreeSet<Pid> = self.live.iter().chain(self.zombies.keys()).copied().collect();
        assert_eq!(known, real, "what is known and what there is");
        assert_eq!(self.supervisor.alive(), real.len());
        let is_up = |pid: &&Pid| {
            let process = self.supervisor.by_pid(**pid).and_then(|id| self.supervisor.get(id));
            process.is_some_and(|process| match process.state {
                State::Starting { awaits, .. } => awaits == Awaits::Ready { up: true },
                state => matches!(state, State::Running { .. }),
            })
        };
        assert_eq!(self.unexecuted.iter().find(is_up), None, "up before it was executed");
    }

    fn live(&mut self) {
        for _ in 0..STEPS {
            let before = self.given_up();
            // In its turn, a roll tries what was given up.
            let rolls = self.supervisor.has_rolls();
            let asked = self.step() || rolls;
            self.holds();
            let after = self.given_up();
            let gone = before.iter().find(|id| !asked && !after.contains(id));
            let stopped = gone.is_none_or(|id| self.stopped.contains(id));
            assert!(stopped, "what was given up is tried again unasked");
        }
    }

    /// Asked to end, it does, within its time.
    fn ends(&mut self) {
        let end = self.now.at + Duration::from_secs(20);
        self.supervisor.shut_down(Duration::from_secs(20), self.now);
        while self.supervisor.alive() > 0 || self.supervisor.has_effects() {
            while self.supervisor.has_effects() {
                self.perform();
                self.holds();
            }
            self.reap();
            if self.supervisor.has_effects() || self.supervisor.alive() == 0 {
                continue;
            }
            let due = self.supervisor.next_deadline().expect("it waits for nothing");
            self.now.at = self.now.at.max(due);
            assert!(self.now.at <= end, "a shutdown without end");
            self.supervisor.tick(self.now);
        }
        let still = self
            .supervisor
            .ids()
            .all(|id| self.supervisor.get(id).unwrap().state == State::Stopped);
        assert!(still && self.supervisor.next_deadline().is_none_or(|at| at > self.now.at));
    }
}

#[test]
fn thousands_of_storms_are_weathered() {
    let one = std::env::var("STORM").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(0..LIVES, |seed| seed..seed + 1);
    for seed in seeds {
        let _seed = Seed(seed);
        let mut storm = Storm::new(seed);
        storm.live();
        storm.ends();
    }
}
