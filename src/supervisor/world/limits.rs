//! Limits of restarts, delays that lie apart, and when all is over.

use super::order::{manual, on};
use super::*;
use crate::config::MaxRestarts;
use crate::supervisor::Enough;

#[test]
fn too_many_restarts_within_a_time_are_fatal() {
    let mut web = program("web", 1);
    web.policy_mut().max_restarts = Some(MaxRestarts { count: 2, within: Duration::from_secs(60) });
    let mut world = World::new(vec![web]);
    let dies = |world: &mut World| {
        world.wait(2);
        world.ends("web", Exit::Code(1));
    };
    dies(&mut world);
    dies(&mut world);
    assert_eq!(world.state("web"), StateName::Starting);
    dies(&mut world);
    let state = world.supervisor.get(world.id("web")).unwrap().state;
    assert_eq!(state, State::Fatal { after: Enough::Restarts });
    // Somebody asks: what was before is forgiven.
    world.ask("web", Event::Start);
    for _ in 0..6 {
        world.wait(31);
        world.ends("web", Exit::Code(1));
    }
    assert_eq!(world.state("web"), StateName::Starting, "two a minute are fine");
    dies(&mut world);
    assert_eq!(world.state("web"), StateName::Fatal);
}

#[test]
fn what_fails_at_once_is_not_tried_again_at_once() {
    let mut web = program("web", 100);
    web.policy_mut().backoff.jitter = 1.0;
    let mut world = World::new(vec![]);
    world.broken.extend((0..100).map(|index| format!("web:{index}")));
    world.reload(vec![web]);
    let until = |id| match world.supervisor.get(id).unwrap().state {
        State::Backoff { until, .. } => (until - world.now.at).as_millis() / 100,
        other => panic!("{other:?}"),
    };
    let tenths: BTreeSet<u128> = world.supervisor.ids().map(until).collect();
    assert_eq!(tenths, (10..20).collect(), "they fill the time evenly");
}

#[test]
fn retries_count_as_restarts_too() {
    let mut web = program("web", 1);
    web.policy_mut().startretries = None;
    web.policy_mut().max_restarts = Some(MaxRestarts { count: 0, within: Duration::from_secs(60) });
    let mut world = World::new(vec![web]);
    world.ends("web", Exit::Code(1));
    assert_eq!(world.state("web"), StateName::Fatal);
}

#[test]
fn the_end_of_something_critical_is_told_once_it_is_for_good() {
    let mut db = program("db", 1);
    db.policy_mut().critical = true;
    let mut world = World::new(vec![db, program("web", 1)]);
    world.wait(2);
    world.ends("db", Exit::Code(1));
    assert!(world.supervisor.critical_end().is_none(), "it is started again");
    world.wait(2);
    world.ask("db", Event::Stop);
    assert!(world.supervisor.critical_end().is_none(), "somebody asked");
    world.ask("db", Event::Start);
    world.wait(2);
    world.ends("db", Exit::Code(0));
    assert_eq!(world.supervisor.critical_end().unwrap().name(), "db");
    assert!(world.supervisor.culprit().is_none(), "it was expected");
}

#[test]
fn all_is_over_when_all_that_was_ever_started_is() {
    let mut once = program("once", 1);
    once.policy_mut().autorestart = Autorestart::Never;
    let later = manual(program("later", 1));
    let after = on(program("after", 1), &[("once", Condition::Completed)]);
    let mut world = World::new(vec![]);
    assert!(!world.supervisor.is_all_over(), "nothing was started");
    world.reload(vec![once, later, after, program("web", 1)]);
    world.wait(2);
    world.ends("once", Exit::Code(3));
    assert!(!world.supervisor.is_all_over());
    world.ends("web", Exit::Code(0));
    assert!(world.supervisor.is_all_over(), "what waits was never started");
    assert_eq!(world.supervisor.culprit().unwrap().name(), "once");
    world.ask("later", Event::Start);
    assert!(!world.supervisor.is_all_over());
    world.ask("later", Event::Stop);
    assert!(!world.supervisor.is_all_over(), "STOPPED is not over");
}
