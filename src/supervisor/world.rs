//! Many processes in a scripted world with a clock that is moved by hand. What must hold whatever
//! happens is looked at after every step; the stories themselves stand beside it.

mod limits;
mod order;
mod random;
mod ready;
mod rolling;
mod stories;
mod storm;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use super::{
    Awaits, Effect, Event, Exit, Id, Moment, Pid, Process, Stage, State, StateName, Supervisor,
    Then,
};
use crate::config::{
    Autorestart, Backoff, Condition, Config, Daemon, Dependency, ExitWhen, Expected, InheritEnv,
    Launch, Level, Log, LogFormat, LogTarget, Output, Policy, Program, Signal, Template, diff,
};

/// A program with every default.
pub(super) fn program(name: &str, numprocs: u32) -> Program {
    Program {
        name: Rc::from(name),
        numprocs,
        policy: Rc::new(Policy {
            autostart: true,
            autorestart: Autorestart::Unexpected,
            exitcodes: vec![Expected::Code(0)],
            starttime: Duration::from_secs(1),
            startretries: Some(3),
            backoff: Backoff {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(60),
                factor: 2.0,
                jitter: 0.0,
            },
            stopsignal: Signal(libc::SIGTERM),
            stoptime: Duration::from_secs(10),
            stopasgroup: false,
            max_restarts: None,
            depends_on: BTreeMap::new(),
            ready: None,
            health: None,
            critical: false,
        }),
        launch: Launch {
            cmd: vec![Template::from("run")],
            inherit_env: InheritEnv::All,
            base_env: BTreeMap::new(),
            env_file: Vec::new(),
            env: BTreeMap::new(),
            workingdir: None,
            umask: None,
            user: None,
            group: None,
            limits: BTreeMap::new(),
            nice: None,
            oom_score_adj: None,
            no_new_privs: false,
            stdout: Output::Discard,
            stderr: Output::Discard,
        },
        mail: None,
    }
}

fn config(programs: Vec<Program>) -> Config {
    let log = Log {
        target: LogTarget::Stderr,
        level: Level::Info,
        format: LogFormat::Text,
        max_bytes: 0,
        keep: 0,
    };
    let daemon = Daemon {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        state_dir: PathBuf::new(),
        secret_file: PathBuf::new(),
        log,
        user: None,
        umask: None,
        shutdown_time: Duration::from_secs(60),
        exit_when: ExitWhen::Never,
    };
    let programs = programs.into_iter().map(|p| (p.name.to_string(), Rc::new(p))).collect();
    Config {
        file: PathBuf::new(),
        daemon,
        mail: None,
        hooks: Vec::new(),
        programs,
        warnings: Vec::new(),
    }
}

/// A kernel that starts what it is asked to, kills what dies of signals, and keeps a diary.
struct World {
    supervisor: Supervisor,
    config: Config,
    now: Moment,
    next_pid: Pid,
    live: BTreeMap<Pid, String>,
    /// Programs that do not go on TERM.
    stubborn: BTreeSet<&'static str>,
    /// Programs that cannot be launched.
    broken: BTreeSet<&'static str>,
    diary: Vec<String>,
}

impl World {
    fn new(programs: Vec<Program>) -> Self {
        #[allow(clippy::disallowed_methods)] // any point in time will do
        let at = Instant::now();
        let mut world = Self {
            supervisor: Supervisor::new(),
            config: config(Vec::new()),
            now: Moment { at, wall: SystemTime::UNIX_EPOCH, dice: 0.0 },
            next_pid: 100,
            live: BTreeMap::new(),
            stubborn: BTreeSet::new(),
            broken: BTreeSet::new(),
            diary: Vec::new(),
        };
        world.reload(programs);
        world
    }

    fn reload(&mut self, programs: Vec<Program>) -> Vec<String> {
        let new = config(programs);
        let changes = diff(&self.config, &new);
        let plan = self.supervisor.plan(&new, &changes);
        let shown = plan.0.iter().map(|step| format!("{}: {}", step.name, step.action)).collect();
        self.supervisor.apply(plan, &new, &changes, self.now);
        self.config = new;
        self.settle();
        shown
    }

    /// Performs effects until there are none.
    fn settle(&mut self) {
        while let Some(effect) = self.supervisor.next_effect() {
            match effect {
                Effect::Spawn(id) => self.launch(id),
                Effect::Signal { pid, signal, group, .. } => self.deliver(pid, signal, group),
                Effect::Rolled { id, what, .. } => {
                    let name = self.supervisor.get(id).unwrap().name();
                    self.diary.push(format!("{name} {what:?}"));
                }
                Effect::Unhealthy(id, _) => {
                    let name = self.supervisor.get(id).unwrap().name();
                    self.diary.push(format!("{name} unhealthy"));
                }
                Effect::Told(id, change) => {
                    let name = self.supervisor.get(id).unwrap().name();
                    self.diary.push(format!("{name} {}", change.to.name()));
                }
                Effect::Forgotten { name, .. } => self.diary.push(format!("{name} forgotten")),
            }
            self.check();
        }
    }

    fn launch(&mut self, id: Id) {
        if !self.supervisor.wants_spawn(id, self.now) {
            return;
        }
        let name = self.supervisor.get(id).unwrap().name();
        if self.broken.contains(name.as_str()) {
            return self.supervisor.spawn_failed(id, "executing run: gone".to_owned(), self.now);
        }
        let process = self.supervisor.get(id).unwrap();
        assert!(self.may_start(process), "{name} is started before what it depends on");
        self.live.insert(self.next_pid, name);
        self.supervisor.event(id, Event::Spawned(self.next_pid), self.now);
        self.next_pid += 1;
    }

    fn deliver(&mut self, pid: Pid, signal: i32, group: bool) {
        let name = self.live.get(&pid).expect("a signal to a process that lives").clone();
        let kill = signal == Signal::KILL.number();
        let process = self.supervisor.get(self.supervisor.by_pid(pid).unwrap()).unwrap();
        if let State::Stopping { then: Then::Stop | Then::Forget, .. } = process.state {
            let free = kill || self.may_stop(process) || self.is_followed(process);
            assert!(free, "{name} is stopped before what needs it");
        }
        assert!(!kill || group);
        if kill || !self.stubborn.contains(name.as_str()) {
            self.die(pid, Exit::Signal(signal));
        }
    }

    fn die(&mut self, pid: Pid, exit: Exit) {
        self.live.remove(&pid).expect("only the living die");
        let id = self.supervisor.by_pid(pid).expect("its process is known");
        self.supervisor.event(id, Event::Ended(pid, exit), self.now);
    }

    fn ends(&mut self, name: &str, exit: Exit) {
        let pid = self.pid(name);
        self.die(pid, exit);
        self.settle();
    }

    fn wait(&mut self, seconds: u64) {
        let end = self.now.at + Duration::from_secs(seconds);
        while let Some(due) = self.supervisor.next_deadline().filter(|due| *due <= end) {
            self.now.at = self.now.at.max(due);
            self.supervisor.tick(self.now);
            self.settle();
        }
        self.now.at = end;
    }

    fn ask(&mut self, selector: &str, event: Event) {
        for id in self.supervisor.select(&[selector.to_owned()]).unwrap() {
            self.supervisor.ask(id, event, self.now);
        }
        self.settle();
    }

    fn id(&self, name: &str) -> Id {
        let found = self.supervisor.select(&[name.to_owned()]).unwrap();
        assert_eq!(found.len(), 1, "{name}");
        found[0]
    }

    fn pid(&self, name: &str) -> Pid {
        self.supervisor.get(self.id(name)).unwrap().state.process().unwrap().0
    }

    fn state(&self, name: &str) -> StateName {
        self.supervisor.get(self.id(name)).unwrap().state.name()
    }

    fn names(&self) -> Vec<String> {
        self.supervisor.ids().map(|id| self.supervisor.get(id).unwrap().name()).collect()
    }

    /// State, maps and kernel agree.
    fn check(&self) {
        let known: BTreeSet<Pid> = self
            .supervisor
            .ids()
            .filter_map(|id| self.supervisor.get(id)?.state.process())
            .map(|(pid, _)| pid)
            .collect();
        assert_eq!(known, self.live.keys().copied().collect());
        assert_eq!(self.supervisor.alive(), self.live.len());
        let armed = self.supervisor.ids().filter(|id| {
            let process = self.supervisor.get(*id).unwrap();
            super::process::deadline(&process.program.policy, process.state).is_some()
        });
        assert_eq!(armed.count(), self.supervisor.deadlines.len());
        self.check_order();
    }

    /// Nobody waits for what is there already.
    fn check_order(&self) {
        for process in self.supervisor.ids().filter_map(|id| self.supervisor.get(id)) {
            let name = process.name();
            if let State::Waiting { .. } = process.state {
                assert!(!self.may_start(process), "{name} waits for nothing");
            }
            if let State::Stopping { stage: Stage::Held, .. } = process.state {
                assert!(!self.may_stop(process), "{name} is held for nothing");
            }
        }
    }

    fn of(&self, program: &str) -> Vec<&Process> {
        let all = self.supervisor.ids().filter_map(|id| self.supervisor.get(id));
        all.filter(|process| &*process.program.name == program).collect()
    }

    /// Whether all that it depends on is as it asks, found by looking at each.
    fn may_start(&self, process: &Process) -> bool {
        let met = |(name, need): (&Rc<str>, &Dependency)| {
            let all = self.of(name).into_iter().filter(|process| !process.is_leaving());
            let states: Vec<State> = all.map(|process| process.state).collect();
            !states.is_empty()
                && states.iter().all(|state| match need.on {
                    Condition::Ready => matches!(state, State::Running { .. }),
                    Condition::Completed => *state == State::Exited { expected: true },
                    Condition::Started => match state {
                        State::Starting { awaits, .. } => *awaits == Awaits::Ready { up: true },
                        state => matches!(state, State::Running { .. }),
                    },
                })
        };
        process.program.policy.depends_on.iter().all(met)
    }

    /// Whether what needs it is restarted with another of its program: it may be so in the step
    /// that has just sent this one its signal.
    fn is_followed(&self, process: &Process) -> bool {
        let follows = |other: &Process| match other.state {
            State::Stopping { then, .. } => then == Then::Follow,
            _ => true,
        };
        let name = &process.program.name;
        let all = self.supervisor.ids().filter_map(|id| self.supervisor.get(id));
        all.filter(|other| other.program.policy.depends_on.contains_key(name)).all(follows)
    }

    /// Whether nothing that needs it up is on its way to an end, found by looking at each.
    fn may_stop(&self, process: &Process) -> bool {
        let name = &process.program.name;
        let needs = |other: &&Process| {
            let need = other.program.policy.depends_on.get(name);
            need.is_some_and(|need| need.on != Condition::Completed)
        };
        let all = self.supervisor.ids().filter_map(|id| self.supervisor.get(id));
        !all.filter(needs).any(|other| matches!(other.state, State::Stopping { .. }))
    }
}

#[test]
fn numprocs_grows_and_shrinks_around_the_survivors() {
    let mut world = World::new(vec![program("web", 1)]);
    let first = world.pid("web");
    let plan = world.reload(vec![program("web", 3)]);
    assert_eq!(
        plan,
        ["web:0: keep, renamed from web", "web:1: add and start", "web:2: add and start"]
    );
    assert_eq!(world.pid("web:0"), first);
    let second = world.pid("web:1");
    world.reload(vec![program("web", 2)]);
    assert_eq!(world.names(), ["web:0", "web:1"]);
    assert_eq!((world.pid("web:0"), world.pid("web:1")), (first, second));
}

#[test]
fn a_reload_touches_only_what_changed() {
    let mut world = World::new(vec![program("a", 1), program("b", 1), program("c", 1)]);
    let (a, b, c) = (world.pid("a"), world.pid("b"), world.pid("c"));
    let (mut new_b, mut new_c) = (program("b", 1), program("c", 1));
    new_b.launch.nice = Some(5);
    new_c.policy_mut().stoptime = Duration::from_secs(1);
    world.reload(vec![program("a", 1), new_b, new_c]);
    assert_eq!((world.pid("a"), world.pid("c")), (a, c));
    assert_ne!(world.pid("b"), b);
}

#[test]
fn what_a_person_stopped_stays_stopped_through_a_reload() {
    let mut world = World::new(vec![program("a", 1)]);
    world.ask("a", Event::Stop);
    let mut new = program("a", 1);
    new.launch.nice = Some(5);
    world.reload(vec![new]);
    assert_eq!(world.state("a"), StateName::Stopped);
}

#[test]
fn a_new_policy_counts_for_what_is_under_way() {
    let mut world = World::new(vec![program("a", 1)]);
    world.stubborn.insert("a");
    world.ask("a", Event::Stop);
    let mut new = program("a", 1);
    new.policy_mut().stoptime = Duration::from_secs(2);
    world.reload(vec![new]);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Stopping);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Stopped);
}

#[test]
fn one_that_was_given_up_is_tried_afresh_when_its_command_changes() {
    let mut world = World::new(vec![]);
    world.broken.insert("a");
    world.reload(vec![program("a", 1)]);
    world.wait(7);
    assert_eq!(world.state("a"), StateName::Fatal);
    world.broken.clear();
    let mut new = program("a", 1);
    new.launch.nice = Some(1);
    assert_eq!(world.reload(vec![new]), ["a: try afresh (nice)"]);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Running);
}

#[test]
fn what_is_disabled_is_started_by_nothing_until_it_is_enabled() {
    let mut world = World::new(vec![program("web", 1), program("job", 1)]);
    let disabled = [("web".into(), 0)].into();
    world.supervisor.set_disabled(disabled);
    world.ask("web", Event::Stop);
    assert_eq!(world.state("web"), StateName::Stopped);
    world.ask("all", Event::Start);
    world.ask("all", Event::Restart);
    let mut changed = program("web", 2);
    changed.launch.cmd = vec![Template::from("other")];
    world.reload(vec![changed]);
    assert_eq!(world.state("web:0"), StateName::Stopped);
    assert_eq!(world.state("web:1"), StateName::Starting);
    world.reload(vec![]);
    assert_eq!(world.reload(vec![program("web", 1)]), ["web: add, disabled"]);
    assert_eq!(world.state("web"), StateName::Stopped);
    world.supervisor.set_disabled(Default::default());
    world.ask("web", Event::Start);
    assert_eq!(world.state("web"), StateName::Starting);
}

#[test]
fn removed_and_brought_back_before_it_is_gone() {
    let mut world = World::new(vec![program("a", 1), program("b", 1)]);
    world.stubborn.extend(["a", "b"]);
    world.reload(vec![]);
    assert_eq!(world.names(), ["a", "b"], "they are there until they are gone");
    let mut manual = program("b", 1);
    manual.policy_mut().autostart = false;
    let plan = world.reload(vec![program("a", 1), manual]);
    assert_eq!(plan, ["a: start again once it is gone", "b: keep, stopped"]);
    world.wait(10);
    assert_eq!((world.state("a"), world.state("b")), (StateName::Starting, StateName::Stopped));
    world.reload(vec![]);
    world.wait(11);
    assert_eq!(world.names(), [""; 0]);
}

/// Who writes down what changes must not take one that comes for the one that goes.
#[test]
fn what_is_forgotten_is_told_of_as_changed_beside_what_takes_its_name() {
    let mut world = World::new(vec![program("web", 1)]);
    world.ask("web", Event::Stop);
    let old = world.id("web");
    world.supervisor.take_touched();
    let (new, empty) = (config(vec![program("web", 1)]), config(vec![]));
    for (from, to) in [(&new, &empty), (&empty, &new)] {
        let changes = diff(from, to);
        let plan = world.supervisor.plan(to, &changes);
        world.supervisor.apply(plan, to, &changes, world.now);
    }
    let touched = world.supervisor.take_touched();
    let forgotten: Vec<bool> =
        touched.iter().map(|id| world.supervisor.is_forgotten(*id)).collect();
    assert_eq!((touched.contains(&old), touched.len()), (true, 2));
    assert_eq!(forgotten.iter().filter(|forgotten| **forgotten).count(), 1);
    assert!(world.supervisor.is_forgotten(old));
}

#[test]
fn a_person_cannot_start_what_is_being_removed() {
    let mut world = World::new(vec![program("a", 1)]);
    world.stubborn.insert("a");
    world.reload(vec![]);
    world.ask("a", Event::Start);
    world.wait(10);
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn a_restart_counts_from_zero_and_a_respawn_adds_to_it() {
    let mut world = World::new(vec![program("a", 1)]);
    world.wait(2);
    world.ends("a", Exit::Code(1));
    world.wait(2);
    world.ends("a", Exit::Signal(9));
    assert_eq!(world.supervisor.get(world.id("a")).unwrap().restarts, 2);
    world.ask("a", Event::Restart);
    assert_eq!(world.supervisor.get(world.id("a")).unwrap().restarts, 0);
    world.wait(2);
    world.ends("a", Exit::Code(0));
    assert_eq!(world.state("a"), StateName::Exited, "expected: it stays down");
    let process = world.supervisor.get(world.id("a")).unwrap();
    assert_eq!(process.last_end, Some((Exit::Code(0), true)));
}

#[test]
fn a_shutdown_stops_all_and_kills_what_does_not_go_in_time() {
    let mut slow = program("slow", 2);
    slow.policy_mut().stoptime = Duration::from_secs(600);
    let mut world = World::new(vec![program("a", 1), slow]);
    world.broken.insert("b");
    world.stubborn.extend(["slow:0", "slow:1"]);
    world.supervisor.shut_down(Duration::from_secs(5), world.now);
    world.settle();
    assert_eq!(world.live.len(), 2);
    world.ask("a", Event::Start);
    assert_eq!(world.state("a"), StateName::Stopped, "nothing is started any more");
    world.wait(5);
    assert_eq!(world.supervisor.alive(), 0);
}

#[test]
fn a_second_shutdown_kills_at_once() {
    let mut world = World::new(vec![program("a", 3)]);
    world.stubborn.extend(["a:0", "a:1", "a:2"]);
    world.supervisor.shut_down(Duration::from_secs(60), world.now);
    world.settle();
    assert_eq!(world.supervisor.alive(), 3);
    world.supervisor.shut_down(Duration::from_secs(60), world.now);
    world.settle();
    assert_eq!(world.supervisor.alive(), 0);
}

#[test]
fn who_listens_hears_every_step() {
    let mut world = World::new(vec![program("a", 1)]);
    world.wait(1);
    world.ends("a", Exit::Code(3));
    world.wait(1);
    world.ask("a", Event::Stop);
    assert_eq!(
        world.diary,
        [
            "a STARTING",
            "a RUNNING",
            "a EXITED",
            "a STARTING",
            "a RUNNING",
            "a STOPPING",
            "a STOPPED"
        ]
    );
}

#[test]
fn selectors_name_programs_processes_and_patterns() {
    let world = World::new(vec![program("db", 1), program("web", 2), program("worker", 1)]);
    let names = |selectors: &[&str]| {
        let selectors: Vec<String> = selectors.iter().map(|s| (*s).to_owned()).collect();
        let found = world.supervisor.select(&selectors);
        found.map(|ids| {
            let name = |id| world.supervisor.get(id).unwrap().name();
            ids.into_iter().map(name).collect::<Vec<_>>()
        })
    };
    assert_eq!(names(&["web"]).unwrap(), ["web:0", "web:1"]);
    assert_eq!(names(&["web:1", "db", "web:1"]).unwrap(), ["db", "web:1"]);
    assert_eq!(names(&["w*"]).unwrap(), ["web:0", "web:1", "worker"]);
    assert_eq!(names(&["*:0"]).unwrap(), ["web:0"]);
    assert_eq!(names(&["all"]).unwrap().len(), 4);
    for stray in ["web:2", "web:", "web:01x", "x*", "", "web:-1"] {
        assert_eq!(names(&["db", stray]).unwrap_err().selector, stray);
    }
    assert_eq!(names(&["wbe"]).unwrap_err().near.as_deref(), Some("web"));
}

#[test]
fn a_thousand_processes_take_one_step_for_one_death() {
    let mut world = World::new(vec![program("a", 1000)]);
    world.wait(1);
    world.diary.clear();
    world.ends("a:500", Exit::Code(1));
    assert_eq!(world.diary, ["a:500 EXITED", "a:500 STARTING"]);
    assert!(matches!(
        world.supervisor.get(world.id("a:499")).unwrap().state,
        State::Running { .. }
    ));
}

#[test]
fn the_last_ends_are_remembered_and_no_more_than_those() {
    let mut world = World::new(vec![program("a", 1)]);
    for code in 1..=7 {
        world.wait(3);
        world.ends("a", Exit::Code(code));
    }
    let id = world.id("a");
    let past = &world.supervisor.get(id).unwrap().past;
    let codes: Vec<Exit> = past.ends().map(|end| end.exit).collect();
    assert_eq!(codes, [3, 4, 5, 6, 7].map(Exit::Code));
    let last = past.ends().last().unwrap();
    assert_eq!((last.lasted.as_secs(), last.expected), (3, false));
    let pid = world.pid("a");
    world.ask("a", Event::Stop);
    let past = &world.supervisor.get(id).unwrap().past;
    let last = past.ends().last().unwrap();
    assert_eq!((last.pid, last.exit, last.expected), (pid, Exit::Signal(libc::SIGTERM), true));
}
