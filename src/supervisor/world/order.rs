//! Who waits for whom, and who goes before whom.

use super::ready::ready;
use super::*;
use crate::config::{Condition, Dependency};

/// A program that depends on others.
pub(super) fn on(mut program: Program, needs: &[(&str, Condition)]) -> Program {
    let need = |(name, on): &(&str, Condition)| (Rc::from(*name), Dependency::on(*on));
    program.policy_mut().depends_on = needs.iter().map(need).collect();
    program
}

pub(super) fn with(mut program: Program, need: &str) -> Program {
    let dependency = Dependency { on: Condition::Ready, restart_with: true };
    program.policy_mut().depends_on.insert(Rc::from(need), dependency);
    program
}

pub(super) fn manual(mut program: Program) -> Program {
    program.policy_mut().autostart = false;
    program
}

/// db, then app, then web.
fn chain() -> Vec<Program> {
    vec![
        on(program("app", 1), &[("db", Condition::Ready)]),
        program("db", 1),
        on(program("web", 2), &[("app", Condition::Ready)]),
    ]
}

impl World {
    fn states(&self) -> Vec<String> {
        let state = |id| {
            let process = self.supervisor.get(id).unwrap();
            format!("{} {}", process.name(), process.state.name())
        };
        self.supervisor.ids().map(state).collect()
    }

    fn forget_diary(&mut self) {
        self.diary.clear();
    }

    /// What it waits for: the program, and the process that is to blame with its state.
    fn blames(&self, name: &str) -> Vec<String> {
        let process = self.supervisor.get(self.id(name)).unwrap();
        let unmet = self.supervisor.unmet(&process.program);
        let blame = |unmet: &super::super::Unmet<'_>| {
            let process = unmet.process.unwrap();
            format!("{} {}", process.name(), process.state.name())
        };
        unmet.iter().map(blame).collect()
    }

    fn is_stuck(&self, name: &str) -> bool {
        let process = self.supervisor.get(self.id(name)).unwrap();
        self.supervisor.stuck_at(&process.program).is_some()
    }
}

#[test]
fn they_start_in_waves_as_fast_as_the_conditions_allow() {
    let mut world = World::new(chain());
    assert_eq!(world.states(), ["app WAITING", "db STARTING", "web:0 WAITING", "web:1 WAITING"]);
    assert_eq!(world.blames("web:0"), ["app WAITING"]);
    world.wait(1);
    assert_eq!(world.states(), ["app STARTING", "db RUNNING", "web:0 WAITING", "web:1 WAITING"]);
    world.wait(1);
    assert_eq!(world.states(), ["app RUNNING", "db RUNNING", "web:0 STARTING", "web:1 STARTING"]);
    world.wait(1);
    assert_eq!(world.state("web:1"), StateName::Running);
}

#[test]
fn all_processes_of_a_program_count_and_ready_means_ready() {
    let db = ready(program("db", 2), 60);
    let mut world = World::new(vec![db, on(program("web", 1), &[("db", Condition::Ready)])]);
    world.wait(5);
    world.says("db:0", Event::Ready);
    assert_eq!(world.blames("web"), ["db:1 STARTING"]);
    world.says("db:1", Event::Ready);
    assert_eq!(world.state("web"), StateName::Starting);
}

#[test]
fn started_is_up_for_its_starttime_though_not_ready() {
    let db = ready(program("db", 1), 60);
    let mut world = World::new(vec![db, on(program("web", 1), &[("db", Condition::Started)])]);
    assert_eq!(world.state("web"), StateName::Waiting);
    world.wait(1);
    assert_eq!((world.state("db"), world.state("web")), (StateName::Starting, StateName::Starting));
    world.says("db", Event::Ready);
    world.wait(1);
    assert_eq!(world.diary.iter().filter(|line| *line == "web STARTING").count(), 1);
}

#[test]
fn completed_is_an_end_that_was_expected() {
    let mut migrate = program("migrate", 1);
    migrate.policy_mut().starttime = Duration::ZERO;
    migrate.policy_mut().autorestart = Autorestart::Never;
    let needs = [("migrate", Condition::Completed)];
    let mut world = World::new(vec![migrate, on(program("web", 1), &needs)]);
    world.ends("migrate", Exit::Code(1));
    assert_eq!(world.blames("web"), ["migrate EXITED"]);
    assert!(world.is_stuck("web"));
    world.ask("web", Event::Start);
    assert_eq!(world.state("migrate"), StateName::Running, "it is tried again");
    world.ends("migrate", Exit::Code(0));
    assert_eq!(world.state("web"), StateName::Starting);
    // Done is done: nobody needs it up.
    let migrate = world.id("migrate");
    assert!(world.supervisor.stops_with(migrate).is_empty());
    world.ask("migrate", Event::Stop);
    world.ask("web", Event::Restart);
    assert_eq!(world.state("migrate"), StateName::Running, "whoever asks for web asks for it");
}

#[test]
fn one_that_is_given_up_leaves_its_dependents_waiting_and_they_go_on_when_it_is_back() {
    let mut world = World::new(vec![]);
    world.broken.insert("db".to_owned());
    world.reload(chain());
    world.wait(100);
    assert_eq!(world.states(), ["app WAITING", "db FATAL", "web:0 WAITING", "web:1 WAITING"]);
    assert_eq!((world.blames("app"), world.is_stuck("web:0")), (vec!["db FATAL".into()], true));
    world.broken.clear();
    world.ask("db", Event::Start);
    world.wait(3);
    assert_eq!(world.states(), ["app RUNNING", "db RUNNING", "web:0 RUNNING", "web:1 RUNNING"]);
}

#[test]
fn one_that_is_tried_without_end_is_no_hope_either() {
    let mut programs = chain();
    programs[1].policy_mut().startretries = None;
    let mut world = World::new(vec![]);
    world.broken.insert("db".to_owned());
    world.reload(programs);
    assert_eq!(world.blames("app"), ["db BACKOFF"]);
    assert!(world.is_stuck("web:0"));
    world.broken.clear();
    world.wait(1);
    assert!(!world.is_stuck("web:0"), "it is being tried");
}

#[test]
fn what_is_up_is_not_touched_when_what_it_needs_goes_down() {
    let mut world = World::new(chain());
    world.wait(5);
    let app = world.pid("app");
    world.ends("db", Exit::Code(0));
    world.wait(100);
    assert_eq!((world.pid("app"), world.state("db")), (app, StateName::Exited));
    // Its own restart is a start: that waits.
    world.ends("app", Exit::Code(1));
    assert_eq!(world.state("app"), StateName::Waiting);
    world.ask("db", Event::Start);
    world.wait(1);
    assert_eq!(world.state("app"), StateName::Starting);
    assert_eq!(world.supervisor.get(world.id("app")).unwrap().restarts, 1, "nobody asked");
}

#[test]
fn a_launch_whose_turn_comes_too_late_is_none() {
    let mut world = World::new(chain());
    world.wait(1);
    world.ask("app", Event::Stop);
    // Both in one turn: the launch is decided, and then db is gone before it is done.
    let (app, db) = (world.id("app"), world.id("db"));
    world.supervisor.event(app, Event::Start, world.now);
    let pid = world.pid("db");
    world.live.remove(&pid);
    world.supervisor.event(db, Event::Ended(pid, Exit::Code(0)), world.now);
    world.settle();
    assert_eq!(world.state("app"), StateName::Waiting);
}

#[test]
fn a_start_starts_what_it_needs_and_what_that_needs() {
    let programs = chain().into_iter().map(manual).collect();
    let mut world = World::new(programs);
    world.ask("web:0", Event::Start);
    assert_eq!(world.states(), ["app WAITING", "db STARTING", "web:0 WAITING", "web:1 STOPPED"]);
    world.wait(3);
    assert_eq!(world.states(), ["app RUNNING", "db RUNNING", "web:0 RUNNING", "web:1 STOPPED"]);
}

#[test]
fn a_start_of_what_is_up_starts_nothing_else() {
    let mut world = World::new(chain());
    world.wait(5);
    world.ends("db", Exit::Code(0));
    world.ask("app", Event::Start);
    assert_eq!(world.state("db"), StateName::Exited);
    world.ask("app", Event::Restart);
    assert_eq!(world.states()[..2], ["app WAITING", "db STARTING"]);
}

#[test]
fn autostart_starts_nothing_that_is_not_to_be_started() {
    let mut programs = chain();
    programs[1].policy_mut().autostart = false;
    let mut world = World::new(programs);
    world.wait(100);
    assert_eq!(world.states(), ["app WAITING", "db STOPPED", "web:0 WAITING", "web:1 WAITING"]);
    assert!(world.is_stuck("web:1"));
    world.ask("web:1", Event::Start);
    world.wait(3);
    assert_eq!(world.states(), ["app RUNNING", "db RUNNING", "web:0 RUNNING", "web:1 RUNNING"]);
}

#[test]
fn a_stop_stops_first_what_depends_on_it() {
    let mut world = World::new(chain());
    world.wait(5);
    world.stubborn.extend(["web:0", "web:1"]);
    world.forget_diary();
    world.ask("db", Event::Stop);
    assert_eq!(world.states(), ["app STOPPING", "db STOPPING", "web:0 STOPPING", "web:1 STOPPING"]);
    assert_eq!(world.live.len(), 4, "nobody is gone yet");
    world.wait(10);
    let stopped: Vec<&String> = world.diary.iter().filter(|line| line.ends_with("ED")).collect();
    assert_eq!(stopped, ["web:0 STOPPED", "web:1 STOPPED", "app STOPPED", "db STOPPED"]);
}

#[test]
fn what_waits_for_one_that_is_stopped_is_stopped_too() {
    let mut world = World::new(chain());
    world.ask("db", Event::Stop);
    assert_eq!(world.states(), ["app STOPPED", "db STOPPED", "web:0 STOPPED", "web:1 STOPPED"]);
}

#[test]
fn a_stop_wins_over_waiting() {
    let mut world = World::new(chain());
    world.ask("app", Event::Stop);
    world.wait(10);
    assert_eq!(world.states(), ["app STOPPED", "db RUNNING", "web:0 STOPPED", "web:1 STOPPED"]);
}

#[test]
fn a_start_of_what_stops_in_order_starts_it_again_when_it_is_gone() {
    let mut world = World::new(chain());
    world.wait(5);
    world.stubborn.extend(["web:0", "web:1"]);
    world.ask("db", Event::Stop);
    world.ask("web", Event::Start);
    world.wait(20);
    assert_eq!(world.states(), ["app RUNNING", "db RUNNING", "web:0 RUNNING", "web:1 RUNNING"]);
    assert_eq!(world.live.len(), 4);
}

#[test]
fn one_that_dies_while_its_stop_is_held_is_stopped() {
    let mut world = World::new(chain());
    world.wait(5);
    world.stubborn.extend(["web:0", "web:1"]);
    world.ask("db", Event::Stop);
    world.ends("db", Exit::Code(1));
    assert_eq!(world.state("db"), StateName::Stopped);
    world.wait(10);
    assert_eq!(world.live.len(), 0);
}

#[test]
fn a_restart_leaves_dependents_alone_unless_they_ask_for_it() {
    let programs = vec![
        program("db", 2),
        on(program("alone", 1), &[("db", Condition::Ready)]),
        with(program("along", 1), "db"),
        with(program("fresh", 1), "db"),
    ];
    let mut world = World::new(programs);
    world.wait(5);
    let (alone, along) = (world.pid("alone"), world.pid("along"));
    world.forget_diary();
    world.ask("db:0", Event::Restart);
    assert_eq!(world.pid("along"), along, "not before it is ready");
    world.ask("fresh", Event::Stop);
    world.wait(1);
    assert_eq!(world.pid("alone"), alone);
    assert_ne!(world.pid("along"), along);
    assert_eq!(world.state("fresh"), StateName::Stopped, "what is not up is not started");
    let restarts = |world: &World| world.diary.iter().filter(|l| *l == "along STARTING").count();
    world.wait(100);
    assert_eq!(restarts(&world), 1);
    // One that died by itself and is back is a new one too.
    world.ends("db:1", Exit::Code(1));
    world.wait(100);
    assert_eq!(restarts(&world), 2);
    assert_eq!(world.supervisor.get(world.id("along")).unwrap().restarts, 2);
}

#[test]
fn a_reload_brings_edges_and_takes_them() {
    let mut world = World::new(vec![]);
    world.broken.insert("db".to_owned());
    world.reload(chain());
    world.wait(100);
    let free = vec![program("app", 1), program("db", 1), chain().remove(2)];
    assert_eq!(world.reload(free), ["app: change in place (depends_on)"]);
    assert_eq!(world.state("app"), StateName::Starting, "its last edge is gone");
    world.wait(2);
    let app = world.pid("app");
    world.reload(chain());
    assert_eq!(world.pid("app"), app, "what is up is not touched");
    world.reload(vec![chain().remove(1)]);
    assert_eq!(world.live.len(), 0);
}

#[test]
fn more_processes_are_waited_for_and_fewer_are_not() {
    let two =
        |count| vec![program("db", count), on(program("web", 1), &[("db", Condition::Ready)])];
    let mut world = World::new(vec![]);
    world.broken.insert("db:1".to_owned());
    world.reload(two(2));
    world.wait(100);
    assert_eq!(world.blames("web"), ["db:1 FATAL"]);
    world.reload(two(1));
    assert_eq!(world.state("web"), StateName::Starting);
}

#[test]
fn what_a_reload_removes_goes_in_order() {
    let mut world = World::new(chain());
    world.wait(5);
    world.stubborn.extend(["web:0", "web:1"]);
    world.forget_diary();
    world.reload(vec![]);
    assert_eq!(world.live.len(), 4);
    world.wait(10);
    let gone: Vec<&String> = world.diary.iter().filter(|l| l.ends_with("forgotten")).collect();
    assert_eq!(gone, ["web:0 forgotten", "web:1 forgotten", "app forgotten", "db forgotten"]);
    assert!(world.supervisor.order.is_empty(), "{:?}", world.supervisor.order);
}

#[test]
fn a_shutdown_stops_dependents_first_and_a_second_one_kills() {
    let mut world = World::new(chain());
    world.wait(5);
    world.stubborn.extend(["web:0"]);
    world.forget_diary();
    world.supervisor.shut_down(Duration::from_secs(60), world.now);
    world.settle();
    assert_eq!(world.live.len(), 3, "web:1 is gone, the others wait for web:0");
    world.wait(10);
    assert_eq!(world.live.len(), 0);
    let mut world = World::new(chain());
    world.wait(5);
    world.stubborn.extend(["web:0"]);
    for _ in 0..2 {
        world.supervisor.shut_down(Duration::from_secs(60), world.now);
        world.settle();
    }
    assert_eq!(world.live.len(), 0);
}
