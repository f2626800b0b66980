//! Launches wait in a queue of their own: nothing waits for them, and none is too many. Some do not
//! wait for the exec, from which on the time counts.

use super::order::{manual, with};
use super::*;

/// A world in which these are asked to start, and nothing of that has been done yet.
fn asked_to_start(programs: Vec<Program>, selector: &str) -> (World, Vec<Id>) {
    let mut world = World::new(programs);
    world.wait(2);
    let ids = world.supervisor.select(&[selector.to_owned()]).unwrap();
    for id in &ids {
        world.supervisor.ask(*id, Event::Start, world.now);
    }
    (world, ids)
}

#[test]
fn neither_a_signal_nor_news_waits_for_launches_that_were_decided_before() {
    let (mut world, many) =
        asked_to_start(vec![program("a", 1), manual(program("many", 3))], "many");
    let (a, pid) = (world.id("a"), world.pid("a"));
    world.supervisor.ask(a, Event::Stop, world.now);
    let mut next = || world.supervisor.next_effect();
    assert!(matches!(next(), Some(Effect::Told { id, .. }) if id == a));
    assert!(matches!(next(), Some(Effect::Signal { pid: to, .. }) if to == pid));
    assert_eq!(
        [next(), next(), next()],
        [many[0], many[1], many[2]].map(|id| Some(Effect::Spawn(id)))
    );
    assert_eq!(next(), None);
}

#[test]
fn one_that_is_stopped_before_its_launch_is_not_launched_and_started_again_it_is_once() {
    let (mut world, many) = asked_to_start(vec![manual(program("many", 3))], "many");
    for event in [Event::Stop, Event::Start, Event::Stop, Event::Start] {
        world.supervisor.ask(many[1], event, world.now);
    }
    world.supervisor.ask(many[2], Event::Stop, world.now);
    assert!(world.supervisor.has_effects());
    world.settle();
    assert!(!world.supervisor.has_effects());
    assert_eq!(world.live.values().collect::<Vec<_>>(), ["many:0", "many:1"]);
    let started = world.diary.iter().filter(|line| *line == "many:1 STARTING").count();
    assert_eq!(started, 1);
}

#[test]
fn a_number_left_in_the_queue_launches_nobody_who_does_not_wait_for_it_and_nobody_twice() {
    for (autostart, launches) in [(false, 0), (true, 1)] {
        let (mut world, old) = asked_to_start(vec![manual(program("old", 1))], "old");
        world.supervisor.event(old[0], Event::Remove, world.now);
        while !matches!(world.supervisor.next_effect(), Some(Effect::Forgotten { .. })) {}
        let mut new = program("new", 1);
        new.policy_mut().autostart = autostart;
        world.reload(vec![new]);
        assert_eq!(world.id("new"), old[0], "it has the number of the old one");
        assert_eq!(world.live.len(), launches);
        assert_eq!(world.diary.iter().filter(|line| *line == "new STARTING").count(), launches);
    }
}

/// A world in which `name` is launched apart.
pub(super) fn launched_apart(name: &'static str, programs: Vec<Program>) -> World {
    let mut world = World::new(Vec::new());
    world.apart.insert(name);
    world.reload(programs);
    world
}

#[test]
fn one_that_crashes_soon_after_a_long_exec_has_failed_to_start() {
    let mut a = program("a", 1);
    a.policy_mut().starttime = Duration::from_secs(3);
    a.policy_mut().startretries = Some(1);
    let mut world = launched_apart("a", vec![a]);
    for state in [StateName::Backoff, StateName::Fatal] {
        world.wait(2);
        world.says("a", Event::Executed);
        world.wait(2);
        assert_eq!(world.state("a"), StateName::Starting);
        world.ends("a", Exit::Code(1));
        assert_eq!(world.state("a"), state);
        world.wait(1);
    }
}

#[test]
fn one_that_is_executed_late_is_no_younger_than_what_was_launched_meanwhile() {
    let b = with(program("b", 1), "a");
    let mut world = launched_apart("b", vec![program("a", 1), b]);
    world.wait(2);
    world.ends("a", Exit::Code(1));
    world.says("b", Event::Executed);
    world.diary.clear();
    world.wait(1);
    assert_eq!(world.diary, ["a RUNNING", "b STOPPING", "b STOPPED", "b STARTING"]);
}
