//! Random graphs of programs, to which random things happen.
//!
//! [`World`] itself holds after every step what must hold: nothing is started before what it
//! depends on, nothing is stopped before what needs it, and nobody waits for what is there
//! already. Here it is also seen that all of it comes to an end.

use proptest::prelude::*;

use super::order::on;
use super::ready::ready;
use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// A program by numbers: whom it depends on and how, how many there are, and what it is like.
#[derive(Debug, Clone)]
struct Sketch {
    needs: Vec<(usize, u8)>,
    count: u32,
    ready: bool,
    autostart: bool,
    autorestart: u8,
    with: bool,
    limit: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Die(usize, i32),
    Ready(usize),
    Unhealthy(usize),
    Start(usize),
    Stop(usize),
    Restart(usize),
    Roll(usize),
    Break(usize),
    Mend,
    Dig(usize),
    Reload(Vec<Sketch>),
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let needs = prop::collection::vec((0..NAMES.len(), 0..3u8), 0..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (needs, 1..3u32, 0..3u8, flags).prop_map(|(needs, count, autorestart, flags)| {
        let (ready, autostart, with, limit) = flags;
        Sketch { needs, count, ready, autostart, autorestart, with, limit }
    })
}

fn sketches() -> impl Strategy<Value = Vec<Sketch>> {
    prop::collection::vec(sketch(), 0..=NAMES.len())
}

fn step() -> impl Strategy<Value = Step> {
    let one = 0..100usize;
    prop_oneof![
        4 => (0..12u64).prop_map(Step::Wait),
        4 => (one.clone(), 0..2i32).prop_map(|(which, code)| Step::Die(which, code)),
        4 => one.clone().prop_map(Step::Ready),
        1 => one.clone().prop_map(Step::Unhealthy),
        3 => one.clone().prop_map(Step::Start),
        3 => one.clone().prop_map(Step::Stop),
        2 => one.clone().prop_map(Step::Restart),
        1 => one.clone().prop_map(Step::Roll),
        1 => one.clone().prop_map(Step::Break),
        1 => Just(Step::Mend),
        1 => one.prop_map(Step::Dig),
        2 => sketches().prop_map(Step::Reload),
    ]
}

/// Each depends only on those before it: so there is no circle.
fn programs(sketches: &[Sketch]) -> Vec<Program> {
    let conditions = [Condition::Started, Condition::Ready, Condition::Completed];
    let make = |(number, sketch): (usize, &Sketch)| {
        let needs = sketch.needs.iter().filter(|(other, _)| *other < number);
        let needs: Vec<_> =
            needs.map(|(other, on)| (NAMES[*other], conditions[usize::from(*on)])).collect();
        let mut program = on(super::program(NAMES[number], sketch.count), &needs);
        let policy = program.policy_mut();
        policy.depends_on.values_mut().for_each(|need| need.restart_with = sketch.with);
        policy.autostart = sketch.autostart;
        policy.autorestart = [Autorestart::Always, Autorestart::Never, Autorestart::Unexpected]
            [usize::from(sketch.autorestart)];
        policy.max_restarts = sketch
            .limit
            .then_some(crate::config::MaxRestarts { count: 3, within: Duration::from_secs(60) });
        if sketch.ready { ready(program, 20) } else { program }
    };
    sketches.iter().enumerate().map(make).collect()
}

impl World {
    fn any_id(&self, which: usize) -> Option<Id> {
        let all: Vec<Id> = self.supervisor.ids().collect();
        all.get(which.checked_rem(all.len())?).copied()
    }

    fn any_pid(&self, which: usize) -> Option<Pid> {
        let all: Vec<Pid> = self.live.keys().copied().collect();
        all.get(which.checked_rem(all.len())?).copied()
    }

    fn take(&mut self, step: &Step) {
        let asked = |world: &mut Self, which: usize, event: Event| {
            if let Some(id) = world.any_id(which) {
                world.supervisor.ask(id, event, world.now);
            }
        };
        let said = |world: &mut Self, which: usize, event: fn(Pid) -> Event| {
            if let Some(pid) = world.any_pid(which) {
                let id = world.supervisor.by_pid(pid).unwrap();
                world.supervisor.event(id, event(pid), world.now);
            }
        };
        match step {
            Step::Wait(seconds) => self.wait(*seconds),
            Step::Die(which, code) => {
                if let Some(pid) = self.any_pid(*which) {
                    self.die(pid, Exit::Code(*code));
                }
            }
            Step::Ready(which) => said(self, *which, Event::Ready),
            Step::Unhealthy(which) => said(self, *which, Event::Unhealthy),
            Step::Start(which) => asked(self, *which, Event::Start),
            Step::Stop(which) => asked(self, *which, Event::Stop),
            Step::Restart(which) => asked(self, *which, Event::Restart),
            Step::Roll(which) => {
                let name = NAMES[which % NAMES.len()].to_owned();
                if let Ok(ids) = self.supervisor.select(&[name]) {
                    let _ = self.supervisor.roll(&ids, self.now);
                }
            }
            Step::Break(which) => {
                self.broken.insert(NAMES[which % NAMES.len()].to_owned());
            }
            Step::Mend => {
                self.broken.clear();
                self.stubborn.clear();
            }
            Step::Dig(which) => {
                self.stubborn.insert(NAMES[which % NAMES.len()]);
            }
            Step::Reload(sketches) => {
                self.reload(programs(sketches));
            }
        }
        self.settle();
        self.check();
    }

    /// Everybody is willing from now on, and is given time: who then still waits does so for one
    /// that is at rest, and no roll is left.
    fn comes_to_rest(&mut self) {
        self.broken.clear();
        self.stubborn.clear();
        for _ in 0..40 {
            for pid in self.live.keys().copied().collect::<Vec<_>>() {
                if let Some(id) = self.supervisor.by_pid(pid) {
                    self.supervisor.event(id, Event::Ready(pid), self.now);
                    self.settle();
                }
            }
            self.wait(100);
        }
        for process in self.supervisor.ids().filter_map(|id| self.supervisor.get(id)) {
            match process.state {
                State::Waiting { .. } => {
                    // `completed` waits as long as what it waits for is up.
                    let stuck = self.supervisor.stuck_at(&process.program).is_some();
                    let chain = self.supervisor.unmet(&process.program);
                    let works = chain.iter().any(|unmet| {
                        unmet.on == Condition::Completed
                            || matches!(unmet.process.map(|p| p.state), Some(State::Waiting { .. }))
                    });
                    assert!(stuck || works, "{} waits: {chain:?}", process.name());
                }
                State::Stopped
                | State::Running { .. }
                | State::Exited { .. }
                | State::Fatal { .. } => {}
                other => panic!("{} goes on and on: {other:?}", process.name()),
            }
        }
        // A roll waits as long as its current one does, and no longer.
        for id in self.supervisor.rolling() {
            let state = id.and_then(|id| self.supervisor.get(id)).map(|process| process.state);
            assert!(matches!(state, Some(State::Waiting { .. })), "{state:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_holds_and_nothing_wedges(
        first in sketches(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(programs(&first));
        for step in &steps {
            world.take(step);
        }
        world.comes_to_rest();
        world.supervisor.shut_down(Duration::from_secs(60), world.now);
        world.settle();
        prop_assert_eq!(world.supervisor.alive(), 0);
        let over = world.supervisor.ids().all(|id| {
            world.supervisor.get(id).unwrap().state == State::Stopped
        });
        prop_assert!(over, "a shutdown leaves all STOPPED");
    }

    /// However it is gone about, a shutdown ends within its time.
    #[test]
    fn a_shutdown_ends_in_the_midst_of_anything(
        first in sketches(),
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let mut world = World::new(programs(&first));
        for step in &steps {
            world.take(step);
        }
        world.supervisor.shut_down(Duration::from_secs(60), world.now);
        world.settle();
        world.wait(60);
        prop_assert_eq!(world.supervisor.alive(), 0);
    }
}
