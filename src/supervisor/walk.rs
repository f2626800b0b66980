//! Every sequence of events, to a depth, against the machine of one process.
//!
//! The walk plays the kernel: it knows which pids live, and lets die only those. After
//! every step it holds what must hold whatever came before.

use std::time::{Duration, Instant, SystemTime};

use super::process::{deadline, on_event};
use super::state::{Action, Around, Awaits, Change, Event, Exit, Moment, Pid, Stage, State, Then};
use super::{StateName, world::program};
use crate::config::{Autorestart, Program, Ready, ReadyHow, Signal};

/// How many events in a row.
const DEPTH: usize = 6;

/// The walk's kernel, and what it has seen.
#[derive(Clone, Copy)]
struct World {
    state: State,
    live: Option<Pid>,
    next_pid: Pid,
    spawn_wanted: bool,
    now: Moment,
    /// Whether what it depends on is as it should be.
    open: bool,
    /// Whether nothing that depends on it is on its way to an end.
    free: bool,
    /// Whether a restart is one too many.
    spent: bool,
    forgotten: bool,
}

/// What can happen next; the walk leaves out what the kernel could not do.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Asked(Event),
    Launched,
    /// It is there, and is yet to be executed.
    Forked,
    Executed,
    LaunchFailed,
    Ended(Exit),
    /// Said of the one that lives.
    Ready,
    Unhealthy,
    /// Said of one that is long gone.
    ReadyBefore,
    Waited(Duration),
    /// The world around it changes, and it is told to look.
    Opens,
    Shuts,
    Frees,
    Holds,
    /// Too many restarts, from now on.
    Spent,
}

const HAPPENINGS: [Happening; 26] = [
    Happening::Asked(Event::Start),
    Happening::Asked(Event::Stop),
    Happening::Asked(Event::Restart),
    Happening::Asked(Event::Relaunch),
    Happening::Asked(Event::Remove),
    Happening::Asked(Event::Keep { start: true }),
    Happening::Asked(Event::Keep { start: false }),
    Happening::Asked(Event::Kill),
    Happening::Asked(Event::Follow),
    Happening::Asked(Event::Look),
    Happening::Opens,
    Happening::Shuts,
    Happening::Frees,
    Happening::Holds,
    Happening::Spent,
    Happening::Launched,
    Happening::Forked,
    Happening::Executed,
    Happening::LaunchFailed,
    Happening::Ended(Exit::Code(0)),
    Happening::Ended(Exit::Code(1)),
    Happening::Ready,
    Happening::Unhealthy,
    Happening::ReadyBefore,
    Happening::Waited(Duration::ZERO),
    Happening::Waited(Duration::from_secs(20)),
];

impl World {
    fn new() -> Self {
        #[allow(clippy::disallowed_methods)] // any point in time will do
        let at = Instant::now();
        let now = Moment { at, wall: SystemTime::UNIX_EPOCH, dice: 0.5 };
        let (state, live) = (State::Stopped, None);
        Self {
            state,
            live,
            next_pid: 100,
            spawn_wanted: false,
            now,
            open: true,
            free: true,
            spent: false,
            forgotten: false,
        }
    }

    fn around(&self) -> Around {
        let Self { now, open, free, .. } = *self;
        let spent = self.spent.then(|| now.at + Duration::from_secs(1_000_000));
        Around { now, open, free, spent }
    }

    /// The event this is now, if it can happen at all.
    fn event(&mut self, happening: Happening) -> Option<Event> {
        match happening {
            Happening::Asked(event) => Some(event),
            Happening::Opens => (!std::mem::replace(&mut self.open, true)).then_some(Event::Look),
            // Nobody is told: what is up is up.
            Happening::Shuts => {
                self.open = false;
                None
            }
            Happening::Frees => (!std::mem::replace(&mut self.free, true)).then_some(Event::Look),
            Happening::Holds => {
                self.free = false;
                None
            }
            Happening::Spent => {
                self.spent = true;
                None
            }
            Happening::Launched | Happening::Forked | Happening::LaunchFailed
                if !self.spawn_wanted =>
            {
                None
            }
            Happening::Launched | Happening::Forked => {
                self.spawn_wanted = false;
                self.live = Some(self.next_pid);
                self.next_pid += 1;
                let is_executed = matches!(happening, Happening::Launched);
                self.live.map(if is_executed { Event::Spawned } else { Event::Forked })
            }
            Happening::Executed => self.live.map(Event::Executed),
            Happening::LaunchFailed => {
                self.spawn_wanted = false;
                Some(Event::SpawnFailed)
            }
            Happening::Ended(exit) => self.live.take().map(|pid| Event::Ended(pid, exit)),
            Happening::Ready => self.live.map(Event::Ready),
            Happening::Unhealthy => self.live.map(Event::Unhealthy),
            Happening::ReadyBefore => Some(Event::Ready(self.next_pid - 2)),
            Happening::Waited(time) => {
                self.now.at += time;
                Some(Event::Tick)
            }
        }
    }

    /// One step, and all that must hold after it.
    fn step(&mut self, program: &Program, event: Event) {
        let before = self.state;
        let (after, actions) = on_event(program, before, event, self.around());
        self.state = after;
        // Until it is launched, nobody has been told of its start.
        let mut at = match before {
            State::Spawning { from, .. } => from,
            _ => before.name(),
        };
        for action in &actions {
            match action {
                Action::Spawn => {
                    assert!(self.open, "started before what it depends on");
                    assert_eq!(self.live, None, "a second copy");
                    assert!(matches!(after, State::Spawning { .. }), "a launch nobody waits for");
                    self.spawn_wanted = true;
                }
                Action::Signal { pid, signal, group } => {
                    assert_eq!(Some(*pid), self.live, "a signal to who knows whom");
                    let kill = Signal::KILL.number();
                    assert!(*signal != kill || *group, "SIGKILL goes to the whole group");
                }
                Action::Tell(change) => at = self.check_told(at, change),
                Action::Unhealthy(pid) => assert_eq!(Some(*pid), self.live, "not well, who?"),
                Action::Forget => self.forgotten = true,
            }
        }
        // A stop may overtake a launch: then it must not happen. Whoever performs it asks first.
        self.spawn_wanted &= matches!(after, State::Spawning { .. });
        let told_all = at == after.name() || matches!(after, State::Spawning { .. });
        assert!(told_all, "nobody was told: {before:?} {event:?} {after:?}");
        assert_eq!(after.process().map(|(pid, _)| pid), self.live, "state and kernel agree");
        assert!(!matches!(after, State::Spawning { .. }) || self.spawn_wanted, "never launched");
        self.check_time(program, after);
        check_wishes(self, program, before, event, after);
    }

    fn check_told(&self, at: StateName, change: &Change) -> StateName {
        assert!(change.from == at, "a change from {} while {at}", change.from);
        change.to.name()
    }

    /// Whoever waits for time to pass has a time to wait for, and time does pass.
    fn check_time(&self, program: &Program, state: State) {
        let due = deadline(&program.policy, state);
        let waits = matches!(
            state,
            State::Starting { awaits: Awaits::Time | Awaits::Ready { .. } | Awaits::ExecReady, .. }
                | State::Backoff { .. }
                | State::Stopping { stage: Stage::Asked(_) | Stage::Killed(_), .. }
        );
        assert_eq!(due.is_some(), waits, "{state:?}");
        if let Some(due) = due {
            let (late, _) = {
                let mut then = *self;
                then.now.at = due;
                on_event(program, state, Event::Tick, then.around())
            };
            assert_ne!(late, state, "a deadline that changes nothing comes for ever");
        }
    }
}

/// What somebody wishes is what happens.
fn check_wishes(world: &World, program: &Program, before: State, event: Event, after: State) {
    match (event, after) {
        (Event::Stop, State::Stopping { stage: Stage::Asked(_), .. })
            if matches!(before, State::Starting { .. } | State::Running { .. }) =>
        {
            assert!(world.free, "stopped before what depends on it");
        }
        (
            Event::Stop | Event::Kill,
            State::Stopped | State::Stopping { then: Then::Stop | Then::Forget, .. },
        ) => {}
        (Event::Stop, _) => panic!("a stop was overtaken: {before:?} {after:?}"),
        (Event::Look, _) if matches!(before, State::Waiting { .. }) => {
            let waits = matches!(after, State::Waiting { .. });
            assert_eq!(waits, !world.open, "it waits as long as it has to");
        }
        (Event::Look, State::Stopping { stage, .. }) => {
            assert!(stage != Stage::Held || !world.free, "held for nothing");
        }
        (Event::Kill, State::Stopping { stage: Stage::Killed(_), .. }) => {}
        (Event::Kill, _) => panic!("{before:?} outlived its kill: {after:?}"),
        (
            Event::Start | Event::Restart,
            State::Stopped | State::Exited { .. } | State::Fatal { .. } | State::Backoff { .. },
        ) => {
            panic!("a start was lost: {before:?} {after:?}")
        }
        (
            Event::Ended(..),
            State::Spawning { .. } | State::Waiting { .. } | State::Backoff { .. },
        ) => {
            let stopping =
                matches!(before, State::Stopping { then: Then::Stop | Then::Forget, .. });
            assert!(!stopping, "a restart overtook a stop");
            let never = program.policy.autorestart == Autorestart::Never;
            assert!(
                !(never
                    && matches!(
                        before,
                        State::Running { .. } | State::Stopping { then: Then::End, .. }
                    )),
                "restarted against its policy"
            );
        }
        (Event::Tick, State::Running { .. }) => assert!(
            matches!(before, State::Running { .. } | State::Starting { awaits: Awaits::Time, .. }),
            "nobody said that it is ready, or was executed"
        ),
        (Event::Tick, State::Starting { awaits: Awaits::Ready { .. }, .. }) => assert!(
            matches!(before, State::Starting { awaits: Awaits::Ready { .. }, .. }),
            "nobody said that it was executed"
        ),
        (Event::Ended(..), State::Exited { .. }) => {
            assert!(!before.awaits_exec(), "one that was never executed has failed to start");
        }
        (Event::Executed(_), State::Starting { started, .. } | State::Running { started, .. })
            if before.awaits_exec() =>
        {
            assert!(!after.awaits_exec(), "it was executed");
            assert_eq!(started, world.now.at, "its time counts from now on");
        }
        (Event::Tick | Event::Keep { .. }, _) if matches!(before, State::Fatal { .. }) => {
            assert_eq!(after, before)
        }
        _ => {}
    }
}

fn walk(program: &Program, world: World, depth: usize, steps: &mut u64) {
    if depth == 0 || world.forgotten {
        return;
    }
    for happening in HAPPENINGS {
        let mut next = world;
        let known = (next.open, next.free, next.spent);
        if let Some(event) = next.event(happening) {
            next.step(program, event);
            *steps += 1;
        } else if known == (next.open, next.free, next.spent) {
            continue;
        }
        walk(program, next, depth - 1, steps);
    }
}

/// All of `autorestart` with retries and without, each with a `starttime` and with none; one
/// that has to be ready.
#[test]
fn every_sequence_of_events_keeps_the_promises() {
    let mut steps = 0;
    for autorestart in [Autorestart::Always, Autorestart::Never, Autorestart::Unexpected] {
        for (retries, starttime) in [(Some(0), 1), (Some(1), 0), (None, 1)] {
            let mut program = program("web", 1);
            program.policy_mut().autorestart = autorestart;
            program.policy_mut().startretries = retries;
            program.policy_mut().starttime = Duration::from_secs(starttime);
            walk(&program, World::new(), DEPTH - 1, &mut steps);
        }
    }
    let mut program = program("web", 1);
    walk(&program, World::new(), DEPTH, &mut steps);
    let (how, timeout) = (ReadyHow::Notify, Duration::from_secs(10));
    program.policy_mut().ready = Some(Ready { how, timeout, watchdog: None });
    walk(&program, World::new(), DEPTH, &mut steps);
    assert!(steps > 500_000, "{steps}");
}

/// Supervisor's own arithmetic, with our growing delays: 1, 2, 4 s, and then given up.
#[test]
fn failed_starts_wait_longer_each_time_and_end_in_fatal() {
    let program = program("web", 1);
    let mut world = World::new();
    world.step(&program, Event::Start);
    let mut waits = Vec::new();
    while !matches!(world.state, State::Fatal { .. }) {
        world.spawn_wanted = false;
        world.step(&program, Event::SpawnFailed);
        if let State::Backoff { until, .. } = world.state {
            waits.push((until - world.now.at).as_secs());
            world.now.at = until;
            world.step(&program, Event::Tick);
        }
    }
    assert_eq!(waits, [1, 2, 4]);
}

#[test]
fn jitter_adds_a_fraction_of_the_delay_at_most() {
    let mut program = program("web", 1);
    program.policy_mut().backoff.jitter = 0.5;
    let mut world = World::new();
    world.now.dice = 0.999;
    world.step(&program, Event::Start);
    world.spawn_wanted = false;
    world.step(&program, Event::SpawnFailed);
    let State::Backoff { until, .. } = world.state else { panic!() };
    let wait = (until - world.now.at).as_secs_f64();
    assert!((1.49..1.5).contains(&wait), "{wait}");
}

#[test]
fn two_starts_lie_the_first_delay_apart() {
    let mut program = program("web", 1);
    program.policy_mut().starttime = Duration::ZERO;
    program.policy_mut().autorestart = Autorestart::Always;
    let mut world = World::new();
    world.step(&program, Event::Start);
    let launch = |world: &mut World| {
        let event = world.event(Happening::Launched).unwrap();
        world.step(&program, event);
        assert!(matches!(world.state, State::Running { .. }));
    };
    launch(&mut world);
    world.now.at += Duration::from_millis(300);
    let end = world.event(Happening::Ended(Exit::Code(0))).unwrap();
    world.step(&program, end);
    let State::Backoff { until, retries: 0 } = world.state else { panic!("{:?}", world.state) };
    assert_eq!(until - world.now.at, Duration::from_millis(700));
    world.now.at = until;
    world.step(&program, Event::Tick);
    launch(&mut world);
    world.now.at += Duration::from_secs(1);
    let end = world.event(Happening::Ended(Exit::Code(0))).unwrap();
    world.step(&program, end);
    assert!(matches!(world.state, State::Spawning { .. }), "up long enough: at once");
}

#[test]
fn a_stop_never_takes_longer_than_stoptime_and_kill_again_goes_on() {
    let program = program("web", 1);
    let mut world = World::new();
    world.step(&program, Event::Start);
    let event = world.event(Happening::Launched).unwrap();
    world.step(&program, event);
    world.step(&program, Event::Stop);
    let asked = world.now.at;
    for expected in [10, 11, 12] {
        let due = deadline(&program.policy, world.state).unwrap();
        assert_eq!((due - asked).as_secs(), expected);
        world.now.at = due;
        let (_, actions) = on_event(&program, world.state, Event::Tick, world.around());
        assert!(actions.iter().any(|a| matches!(a, Action::Signal { group: true, .. })));
        world.step(&program, Event::Tick);
    }
}
