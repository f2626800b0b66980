//! Many streams at once.

use std::fs;
use std::io::Write;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::rig::{Rig, flood, lines, size};
use crate::bench::{status_of, until};

#[test]
fn a_thousand_streams_need_a_thousand_descriptors_and_few_more() {
    // The test itself needs three for each.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let mut rig = Rig::up();
    let none = rig.open();
    let mut pipes: Vec<_> =
        (0..1000).map(|id| rig.capture(id, &format!("{id}.log"), json!({}))).collect();
    for round in 0..3 {
        for (id, pipe) in pipes.iter_mut().enumerate() {
            writeln!(pipe, "{id} {round}").unwrap();
        }
        // One may just be opened, along the folders on its path.
        let (open, on_its_way) = (rig.open(), 8);
        assert!(open <= none + 1000 + 256 + on_its_way, "{open} are open");
    }
    until("logs are closed", || rig.open() == none + 1000);
    assert_eq!(rig.end(), 0);
    for id in 0..1000 {
        let text = fs::read_to_string(rig.path(&format!("{id}.log"))).unwrap();
        assert_eq!(text, format!("{id} 0\n{id} 1\n{id} 2\n"));
    }
}

#[test]
fn a_flood_does_not_hold_up_the_others() {
    let mut rig = Rig::up();
    let floods: Vec<_> = (0..3)
        .map(|id| {
            let more = json!({"max_bytes": 1_000_000});
            flood(rig.capture(id, &format!("{id}.log"), more), lines(50_000_000))
        })
        .collect();
    let mut pipe = rig.capture(9, "quiet", json!({}));
    let quiet = rig.path("quiet");
    let mut heard = 0;
    while floods.iter().any(|flood| !flood.is_finished()) {
        pipe.write_all(b"a line\n").unwrap();
        heard += 7;
        until("it is there", || size(&quiet) == heard);
    }
    assert!(heard > 7, "the flood was over before it was heard at all");
    floods.into_iter().for_each(|flood| flood.join().unwrap());
}

#[test]
fn floods_leave_pipe_memory_to_others() {
    let mut rig = Rig::up();
    let capture = |id: u64| rig.capture(id, &format!("{id}.log"), json!({}));
    let mut pipes: Vec<_> = (0..40).map(capture).collect();
    let much = vec![b'x'; 50_000];
    pipes.iter_mut().for_each(|pipe| pipe.write_all(&much).unwrap());
    let is_moved = |id| size(&rig.path(&format!("{id}.log"))) == 50_000;
    until("all is moved", || (0..40).all(is_moved));
    let bytes = pipes.iter().map(|pipe| fcntl(pipe, FcntlArg::F_GETPIPE_SZ).unwrap()).sum::<i32>();
    assert!(bytes <= 20 << 20, "a third of what a plain user may have: {bytes}");
}

#[test]
fn two_streams_may_share_a_file() {
    let mut rig = Rig::up();
    let more = json!({"max_bytes": 100_000, "keep": 1000});
    let floods = [1, 2].map(|id| flood(rig.capture(id, "log", more.clone()), lines(5_000_000)));
    let written = 2 * lines(5_000_000).len();
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    assert_eq!(rig.logged("log").concat().len(), written);
}

#[test]
fn it_sleeps_when_there_is_nothing_to_do() {
    let mut rig = Rig::up();
    let none = rig.open();
    rig.capture(1, "log", json!({"timestamps": true})).write_all(b"half a line").unwrap();
    until("its log is open", || rig.open() == none + 2);
    until("its log is closed", || rig.open() == none + 1);
    let wakes = || status_of(rig.pid(), "voluntary_ctxt_switches");
    until("it sleeps", || status_of(rig.pid(), "State").starts_with('S'));
    let before = wakes();
    // Another logger's whole idle time.
    let mut other = Rig::up();
    other.capture(1, "log", json!({})).write_all(b"a line\n").unwrap();
    until("its log is open", || other.open() == none + 2);
    until("its log is closed", || other.open() == none + 1);
    assert_eq!(wakes(), before);
}
