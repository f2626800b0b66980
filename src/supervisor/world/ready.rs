//! Ready and not, well and not.

use super::launches::launched_apart;
use super::order::on;
use super::*;
use crate::config::{Ready, ReadyHow};
use crate::supervisor::Failure;

pub(super) fn ready(mut program: Program, timeout: u64) -> Program {
    let timeout = Duration::from_secs(timeout);
    program.policy_mut().ready = Some(Ready { how: ReadyHow::Notify, timeout, watchdog: None });
    program
}

impl World {
    pub(super) fn says(&mut self, name: &str, event: fn(Pid) -> Event) {
        let (id, pid) = (self.id(name), self.pid(name));
        self.supervisor.event(id, event(pid), self.now);
        self.settle();
    }

    pub(super) fn failure(&self, name: &str) -> Option<Failure> {
        self.supervisor.get(self.id(name)).unwrap().failure.as_deref().cloned()
    }
}

#[test]
fn one_that_is_to_be_ready_runs_when_it_is() {
    let mut world = World::new(vec![ready(program("a", 1), 60)]);
    world.wait(30);
    assert_eq!(world.state("a"), StateName::Starting);
    world.says("a", Event::Ready);
    assert_eq!(world.state("a"), StateName::Running);
    world.wait(100);
    assert_eq!(world.diary, ["a STARTING", "a RUNNING"]);
}

#[test]
fn one_that_is_not_ready_in_time_is_stopped_and_has_failed_to_start() {
    let mut world = World::new(vec![ready(program("a", 1), 60)]);
    world.stubborn.insert("a");
    let id = world.id("a");
    world.supervisor.note(id, Some("refused".into()));
    world.wait(60);
    let failure = Failure::NotReady(Duration::from_secs(60), Some("refused".into()));
    assert_eq!((world.state("a"), world.failure("a")), (StateName::Stopping, Some(failure)));
    // Too late.
    world.says("a", Event::Ready);
    world.wait(10);
    assert_eq!(world.state("a"), StateName::Backoff);
    world.wait(1);
    assert_eq!((world.state("a"), world.failure("a")), (StateName::Starting, None));
    assert_eq!(world.supervisor.get(id).unwrap().restarts, 1);
    // What only somebody stops is not tried again.
    world.wait(60);
    world.ask("a", Event::Stop);
    world.wait(100);
    assert_eq!(world.state("a"), StateName::Stopped);
}

#[test]
fn one_is_not_up_before_it_is_executed_and_then_has_all_its_time_to_be_ready() {
    let b = on(program("b", 1), &[("a", Condition::Started)]);
    let mut world = launched_apart("a", vec![ready(program("a", 1), 60), b]);
    world.wait(59);
    assert_eq!(world.state("b"), StateName::Waiting);
    world.says("a", Event::Executed);
    assert_eq!(world.state("b"), StateName::Waiting);
    world.wait(1);
    assert_eq!(world.state("b"), StateName::Starting, "it has been up for its starttime");
    world.wait(58);
    world.says("a", Event::Ready);
    assert_eq!(world.state("a"), StateName::Running);
}

#[test]
fn one_that_is_not_executed_in_its_time_to_be_ready_has_failed_to_start() {
    let mut world = launched_apart("a", vec![ready(program("a", 1), 60)]);
    world.wait(60);
    assert_eq!(world.diary, ["a STARTING", "a STOPPING", "a BACKOFF"]);
}

#[test]
fn what_says_that_it_is_ready_has_been_executed() {
    let mut world = launched_apart("a", vec![ready(program("a", 1), 60)]);
    world.says("a", Event::Ready);
    world.says("a", Event::Executed);
    assert_eq!(world.diary, ["a STARTING", "a RUNNING"]);
}

#[test]
fn what_it_becomes_when_it_is_executed_stands_since_its_launch() {
    let mut world = launched_apart("a", vec![program("a", 1)]);
    world.reload(vec![ready(program("a", 1), 60)]);
    world.wait(100);
    world.says("a", Event::Executed);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Running, "it was never told to say so");
    world.ask("a", Event::Restart);
    world.wait(30);
    world.reload(vec![program("a", 1)]);
    world.wait(100);
    assert_eq!(world.state("a"), StateName::Starting, "it is yet to be executed");
    world.says("a", Event::Executed);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Running, "nobody waits for it any more");
}

#[test]
fn a_new_way_to_be_ready_counts_from_the_next_start_on() {
    let mut world = World::new(vec![program("a", 1)]);
    world.reload(vec![ready(program("a", 1), 60)]);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Running, "it was never told to say so");
    world.ask("a", Event::Restart);
    world.wait(30);
    assert_eq!(world.state("a"), StateName::Starting);
    world.reload(vec![program("a", 1)]);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Running, "nobody waits for it any more");
}

#[test]
fn one_that_is_not_well_is_stopped_and_that_is_an_unexpected_end() {
    let mut never = program("b", 1);
    never.policy_mut().autorestart = Autorestart::Never;
    let mut world = World::new(vec![program("a", 1), never]);
    world.wait(5);
    world.diary.clear();
    let id = world.id("a");
    world.supervisor.note(id, Some("HTTP 500".to_owned()));
    world.says("a", Event::Unhealthy);
    world.says("b", Event::Unhealthy);
    assert_eq!(
        world.diary,
        [
            "a unhealthy",
            "a STOPPING",
            "a EXITED",
            "a STARTING",
            "b unhealthy",
            "b STOPPING",
            "b EXITED"
        ]
    );
    let process = world.supervisor.get(id).unwrap();
    assert_eq!(process.last_end, Some((Exit::Signal(libc::SIGTERM), false)));
    assert_eq!(process.last_failure, Some(Box::new(Failure::Unhealthy(Some("HTTP 500".into())))));
    assert_eq!(process.note, None);
}

#[test]
fn what_is_said_of_another_or_too_late_is_harmless() {
    let mut world = World::new(vec![ready(program("a", 1), 60)]);
    let (id, old) = (world.id("a"), world.pid("a"));
    world.says("a", Event::Unhealthy);
    assert_eq!(world.state("a"), StateName::Starting, "not ready is no worse");
    world.says("a", Event::Ready);
    world.ask("a", Event::Restart);
    for event in [Event::Ready(old), Event::Unhealthy(old), Event::Ready(7)] {
        world.supervisor.event(id, event, world.now);
        world.settle();
        assert_eq!(world.state("a"), StateName::Starting);
    }
}
