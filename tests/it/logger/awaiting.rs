//! One that takes the place of another.

use std::fs;
use std::io::Write;

use serde_json::json;

use super::rig::Rig;
use crate::bench::until;

#[test]
fn nothing_is_moved_while_the_one_before_lives_and_then_everything() {
    let mut rig = Rig::up();
    let before = rig.await_another();
    let mut pipes: Vec<_> =
        (1..=300).map(|id| rig.capture(id, &format!("log{id}"), json!({}))).collect();
    pipes.iter_mut().for_each(|pipe| pipe.write_all(b"early\n").unwrap());
    // Orders are obeyed: this one is answered.
    rig.order(json!({"add": {"id": 999, "path": rig.path("none"), "max_bytes": 0, "keep": 0,
        "timestamps": false, "owner": null}}));
    rig.until_report("lost");
    assert!((1..=300).all(|id| !rig.path(&format!("log{id}")).exists()));
    drop(before);
    let is_there = |id| fs::read(rig.path(&format!("log{id}"))).unwrap_or_default() == b"early\n";
    until("all is moved", || (1..=300).all(is_there));
    pipes[0].write_all(b"late\n").unwrap();
    assert_eq!(rig.logged("log1"), [b"early\nlate\n"]);
}

#[test]
fn what_is_to_be_done_with_a_stream_is_done_after_the_end_of_the_one_before() {
    let mut rig = Rig::up();
    let before = rig.await_another();
    let mut pipe = rig.capture(1, "log", json!({}));
    pipe.write_all(b"early\n").unwrap();
    // Once this one is answered, the next is read.
    rig.order(json!({"add": {"id": 999, "path": rig.path("none"), "max_bytes": 0, "keep": 0,
        "timestamps": false, "owner": null}}));
    rig.order(json!({"remove": {"id": 1}}));
    rig.order(json!("finish"));
    rig.until_report("lost");
    assert!(rig.reports().is_empty() && !rig.path("log").exists());
    drop(before);
    assert_eq!(rig.until_report("removed")["id"], 1);
    assert_eq!(rig.logged("log"), [b"early\n"]);
}

#[test]
fn one_that_waits_and_is_left_alone_with_nothing_to_hold_ends() {
    let mut rig = Rig::up();
    let _before = rig.await_another();
    assert_eq!(rig.end(), 0);
}
