//! Rolling restarts.

use super::order::{manual, on};
use super::ready::ready;
use super::*;
use crate::config::{Health, HealthHow};

impl World {
    fn roll(&mut self, selector: &str) -> u64 {
        let ids = self.supervisor.select(&[selector.to_owned()]).unwrap();
        let number = self.supervisor.roll(&ids, self.now).unwrap();
        self.settle();
        number
    }

    fn results(&self) -> Vec<&str> {
        let words = ["Replaced", "Failed", "Untouched", "LeftStopped", "Disabled"];
        let is_result = |line: &&String| words.iter().any(|word| line.contains(word));
        self.diary.iter().filter(is_result).map(String::as_str).collect()
    }
}

fn three() -> World {
    let mut world = World::new(vec![ready(program("web", 3), 5)]);
    for name in ["web:0", "web:1", "web:2"] {
        world.says(name, Event::Ready);
    }
    world
}

#[test]
fn each_is_ready_before_the_next() {
    let mut world = three();
    let old = [world.pid("web:0"), world.pid("web:1"), world.pid("web:2")];
    world.roll("web");
    for (index, name) in ["web:0", "web:1", "web:2"].into_iter().enumerate() {
        assert_eq!(world.state(name), StateName::Starting);
        assert_eq!(world.live.len(), 3);
        let rest = &old[index + 1..];
        assert!(rest.iter().all(|pid| world.live.contains_key(pid)), "one after the other");
        world.says(name, Event::Ready);
    }
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 Replaced", "web:2 Replaced"]);
    assert!(old.iter().all(|pid| !world.live.contains_key(pid)));
}

fn checked(mut program: Program) -> Program {
    let second = Duration::from_secs(1);
    program.policy_mut().health = Some(Health {
        how: HealthHow::Exec(vec!["true".into()]),
        interval: second,
        timeout: second,
        retries: 1,
        start_period: Duration::ZERO,
    });
    program
}

#[test]
fn one_whose_health_is_not_asked_for_any_more_is_well() {
    let mut world = World::new(vec![checked(program("web", 2))]);
    world.wait(2);
    world.roll("web");
    world.wait(20);
    assert_eq!((world.state("web:0"), world.results().len()), (StateName::Running, 0));
    world.reload(vec![program("web", 2)]);
    assert_eq!(world.results(), ["web:0 Replaced"]);
    world.wait(2);
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 Replaced"]);
    assert!(world.supervisor.rolls.is_empty());
}

#[test]
fn one_that_a_reload_leaves_failing_without_end_is_not_waited_for() {
    let mut world = World::new(vec![program("web", 2)]);
    world.wait(2);
    world.broken.insert("web:0".to_owned());
    world.roll("web");
    assert_eq!((world.state("web:0"), world.results().len()), (StateName::Backoff, 0));
    let mut endless = program("web", 2);
    endless.policy_mut().startretries = None;
    world.reload(vec![endless]);
    assert_eq!(world.results(), ["web:0 Failed(Backoff)", "web:1 Untouched"]);
}

#[test]
fn one_that_has_health_is_waited_for_until_it_is_well() {
    let mut world = World::new(vec![checked(program("web", 2))]);
    world.wait(2);
    let old = world.pid("web:0");
    world.roll("web");
    world.wait(2);
    assert_eq!((world.state("web:0"), world.results().len()), (StateName::Running, 0));
    let id = world.id("web:0");
    world.supervisor.healthy(id, old, world.now);
    assert_eq!(world.results().len(), 0, "that was the old one");
    world.supervisor.healthy(id, world.pid("web:0"), world.now);
    world.settle();
    assert_eq!(world.results(), ["web:0 Replaced"]);
    world.wait(2);
    world.says("web:1", Event::Unhealthy);
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 Failed(Stopping)"]);
}

#[test]
fn the_first_that_fails_ends_it_and_the_others_are_not_touched() {
    let mut world = three();
    let last = world.pid("web:2");
    world.roll("web");
    world.says("web:0", Event::Ready);
    world.wait(200);
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 Failed(Fatal)", "web:2 Untouched"]);
    assert_eq!(world.pid("web:2"), last);
    // It is over: another may begin.
    world.roll("web:2");
    assert_ne!(world.pid("web:2"), last);
}

#[test]
fn a_stop_meanwhile_ends_it_and_one_before_its_turn_is_left_stopped() {
    let mut world = three();
    world.roll("web");
    world.ask("web:1", Event::Stop);
    world.says("web:0", Event::Ready);
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 LeftStopped"]);
    world.ask("web:2", Event::Stop);
    assert_eq!(world.results().last(), Some(&"web:2 Failed(Stopped)"));
    assert_eq!(world.live.len(), 1);
}

#[test]
fn one_that_somebody_stops_before_its_turn_is_not_started_while_it_is_on_its_way_out() {
    let mut world = three();
    let (second, third) = (world.pid("web:1"), world.pid("web:2"));
    world.roll("web");
    world.stubborn.extend(["web:1", "web:2"]);
    world.ask("web:1", Event::Stop);
    world.ask("web:2", Event::Restart);
    world.ask("web:2", Event::Stop);
    world.says("web:0", Event::Ready);
    let left = ["web:0 Replaced", "web:1 LeftStopped", "web:2 LeftStopped"];
    assert_eq!(world.results(), left);
    world.die(second, Exit::Code(0));
    world.die(third, Exit::Code(0));
    world.wait(20);
    assert_eq!(
        (world.state("web:1"), world.state("web:2")),
        (StateName::Stopped, StateName::Stopped)
    );
}

#[test]
fn the_last_that_somebody_wanted_of_one_before_its_turn_counts() {
    let mut world = World::new(vec![program("web", 4)]);
    world.wait(2);
    world.ask("web:1", Event::Stop);
    world.ask("web:2", Event::Stop);
    world.stubborn.insert("web:3");
    world.ask("web:3", Event::Stop);
    world.roll("web");
    // It is stopped already, and somebody says so once more.
    world.ask("web:1", Event::Stop);
    // This one is wanted again.
    world.ask("web:2", Event::Stop);
    world.ask("web:2", Event::Start);
    world.wait(5);
    // The last was on its way out when the roll began, which was asked for after that.
    let results = ["web:0 Replaced", "web:1 LeftStopped", "web:2 Replaced"];
    assert_eq!(world.results(), results);
    world.wait(20);
    assert_eq!(world.results()[3..], ["web:3 Replaced"]);
    assert_eq!(world.state("web:1"), StateName::Stopped);
}

#[test]
fn what_is_stopped_with_another_is_left_stopped_and_starts_nothing_that_is() {
    let web = on(program("web", 1), &[("db", Condition::Ready)]);
    let last = manual(on(program("z", 1), &[("db", Condition::Ready)]));
    let mut world = World::new(vec![program("app", 1), program("db", 1), web, last]);
    world.wait(5);
    world.stubborn.insert("web");
    world.roll("all");
    world.ask("db", Event::Stop);
    world.wait(2);
    let results = ["app Replaced", "db LeftStopped", "web LeftStopped", "z Failed(Waiting)"];
    assert_eq!(world.results(), results);
    world.wait(20);
    assert_eq!((world.state("db"), world.state("web")), (StateName::Stopped, StateName::Stopped));
}

#[test]
fn one_that_is_disabled_is_passed_over() {
    let mut world = three();
    let disabled = |names: &[u32]| names.iter().map(|index| ("web".into(), *index)).collect();
    world.supervisor.set_disabled(disabled(&[0]));
    world.ask("web:0", Event::Stop);
    world.roll("web");
    // Another is, before its turn.
    world.supervisor.set_disabled(disabled(&[0, 2]));
    world.ask("web:2", Event::Stop);
    world.says("web:1", Event::Ready);
    assert_eq!(world.results(), ["web:0 Disabled", "web:1 Replaced", "web:2 Disabled"]);
    assert!(world.supervisor.rolls.is_empty());
    assert_eq!(world.live.len(), 1);
}

#[test]
fn one_that_was_stopped_before_is_started_in_its_turn() {
    let mut world = World::new(vec![program("web", 2)]);
    world.wait(2);
    world.ask("web:1", Event::Stop);
    world.roll("web");
    world.wait(2);
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 Replaced"]);
}

#[test]
fn what_is_restarted_with_it_is_when_all_are_replaced() {
    let mut along = program("along", 1);
    let need = Dependency { on: Condition::Ready, restart_with: true };
    along.policy_mut().depends_on.insert(Rc::from("web"), need);
    let mut world = World::new(vec![program("web", 3), along]);
    world.wait(5);
    world.diary.clear();
    world.roll("web");
    world.wait(10);
    let starts = |name: &str| world.diary.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(starts("along STARTING"), 1, "{:?}", world.diary);
    let place = |line: &str| world.diary.iter().position(|other| other == line);
    assert!(place("along STOPPING") > place("web:2 RUNNING"), "{:?}", world.diary);
}

#[test]
fn two_cannot_roll_the_same_one() {
    let mut world = three();
    world.roll("web");
    let second = world.id("web:2");
    assert_eq!(world.supervisor.roll(&[second], world.now), Err(second));
}

#[test]
fn what_a_reload_removes_is_passed_over() {
    let mut world = three();
    world.roll("web");
    world.reload(vec![ready(program("web", 2), 5)]);
    world.says("web:0", Event::Ready);
    world.says("web:1", Event::Ready);
    assert_eq!(world.results(), ["web:0 Replaced", "web:1 Replaced"]);
    // The current one goes, too.
    world.roll("web");
    world.reload(vec![]);
    world.wait(20);
    assert!(world.supervisor.rolls.is_empty());
}

#[test]
fn a_shutdown_ends_it() {
    let mut world = three();
    world.roll("web");
    world.supervisor.shut_down(Duration::from_secs(60), world.now);
    world.settle();
    assert_eq!(world.results(), ["web:0 Failed(Starting)", "web:1 Untouched", "web:2 Untouched"]);
    assert_eq!(world.live.len(), 0);
}
