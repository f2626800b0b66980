//! Many processes in a scripted world with a clock that is moved by hand. What must hold whatever
//! happens is looked at after every step; the stories themselves stand beside it.

mod launches;
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
    Autorestart, Backoff, Condition, Config, Daemon, Dependency, ExitWhen, Expected, Launch, Level,
    Log, LogFormat, LogTarget, Output, Policy, Program, Signal, Template, diff,
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
            attributes: Rc::default(),
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
    let programs = programs.into_iter().map(|p| (p.name.clone(), Rc::new(p))).collect();
    Config {
        file: PathBuf::new(),
        daemon,
        mail: None,
        hooks: Vec::new(),
        programs,
        warnings: crate::config::Problems::default(),
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
    /// Programs whose launch does not wait for their exec.
    apart: BTreeSet<&'static str>,
    /// Programs that cannot be launched.
    broken: BTreeSet<String>,
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
            apart: BTreeSet::new(),
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
                Effect::Told { id, change, .. } => {
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
        let is_apart = self.apart.contains(&*process.program.name);
        let event = if is_apart { Event::Forked } else { Event::Spawned };
        self.live.insert(self.next_pid, name);
        self.supervisor.event(id, event(self.next_pid), self.now);
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
