//! Reload, shutdown, selectors, and who is told what.

use super::*;
use crate::config::MaxRestarts;

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
    new_b.attributes_mut().nice = Some(5);
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
    new.attributes_mut().nice = Some(5);
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
    world.broken.insert("a".to_owned());
    world.reload(vec![program("a", 1)]);
    world.wait(7);
    assert_eq!(world.state("a"), StateName::Fatal);
    world.broken.clear();
    let mut new = program("a", 1);
    new.attributes_mut().nice = Some(1);
    assert_eq!(world.reload(vec![new]), ["a: try afresh (nice)"]);
    world.wait(1);
    assert_eq!(world.state("a"), StateName::Running);
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
    world.broken.insert("b".to_owned());
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
fn an_end_that_is_heard_of_before_the_clock_is_one_from_running() {
    let mut world = World::new(vec![program("a", 1)]);
    assert_eq!(world.state("a"), StateName::Starting);
    world.diary.clear();
    // It has been up for its starttime, and nobody has come round to saying so.
    world.now.at += Duration::from_secs(1);
    world.ends("a", Exit::Code(0));
    assert_eq!(world.diary, ["a RUNNING", "a EXITED"]);
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
    assert_eq!(names(&["db:*", "we*:*"]).unwrap(), ["db", "web:0", "web:1"]);
    assert_eq!(names(&["all"]).unwrap().len(), 4);
    for stray in ["web:2", "web:", "web:01", "web:01x", "x*", "", "web:-1"] {
        assert_eq!(names(&["db", stray]).unwrap_err().selector, stray);
    }
    assert_eq!(names(&["wbe"]).unwrap_err().near.as_deref(), Some("web"));
    let known = |selectors: &[&str]| {
        let selectors: Vec<String> = selectors.iter().map(|s| (*s).to_owned()).collect();
        world.supervisor.select_known(&selectors).len()
    };
    assert_eq!(known(&["wbe", "x*", "web:2"]), 0);
    assert_eq!(known(&["wbe", "w*", "web:1", "db"]), 4);
    let again = ["web?1", "w*", "web:1"].repeat(3);
    assert_eq!((names(&again).unwrap().len(), known(&again)), (3, 3));
    assert_eq!((known(&["all", "x"]), known(&[&"*".repeat(60_000)])), (4, 4));
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

#[test]
fn an_end_that_is_waited_out_or_given_up_after_is_remembered_once() {
    let mut web = program("web", 1);
    web.policy_mut().starttime = Duration::ZERO;
    web.policy_mut().backoff.initial = Duration::from_secs(1);
    web.policy_mut().max_restarts = Some(MaxRestarts { count: 1, within: Duration::from_secs(60) });
    let mut world = World::new(vec![web]);
    let codes = |world: &World| -> Vec<Exit> {
        let past = &world.supervisor.get(world.id("web")).unwrap().past;
        past.ends().map(|end| end.exit).collect()
    };
    world.ends("web", Exit::Code(1));
    assert_eq!(world.state("web"), StateName::Backoff);
    assert_eq!(codes(&world), [1].map(Exit::Code));
    world.wait(2);
    world.ends("web", Exit::Code(2));
    assert_eq!(world.state("web"), StateName::Fatal);
    assert_eq!(codes(&world), [1, 2].map(Exit::Code));
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
