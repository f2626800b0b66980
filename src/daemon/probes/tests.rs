//! Probes by themselves, with clocks that are moved by hand and real sockets: what is late and what
//! is not, and what is left when a probe is over.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::mailbox::Post;
use super::stage::Stage;
use super::watch::{Polled, Question, Watch};
use super::{A_TURN, Budget, DESCRIPTORS_A_TURN, Part, Probes};
use crate::config::{self, Program};
use crate::daemon::source::surroundings;
use crate::daemon::texts::Texts;
use crate::supervisor::{Id, Moment, Supervisor};
use crate::sys::clock;
use crate::sys::poll::Interest;

/// Longer than anybody is waited for.
const STALL: Duration = Duration::from_secs(60);

/// What a program with these keys is, and so many numbers of processes.
fn program(keys: &str, count: u32) -> (Rc<Program>, Vec<Id>) {
    let load = |text: &str| {
        let mut texts = Texts::default();
        texts.files.insert("tm.yaml".into(), text.to_owned());
        config::load("tm.yaml".as_ref(), &surroundings(), &texts).unwrap()
    };
    let config = load(&format!("programs: {{web: {{cmd: run, numprocs: {count}, {keys}}}}}"));
    let changes = config::diff(&load("programs: {}"), &config);
    let mut supervisor = Supervisor::new();
    let now = Moment { at: clock::now(), wall: clock::wall(), dice: 0.0 };
    let plan = supervisor.plan(&config, &changes);
    supervisor.apply(plan, &config, &changes, now);
    (config.programs["web"].clone(), supervisor.ids().collect())
}

/// Such a process, watched in this stage, as this one itself.
fn watch(program: &Rc<Program>, stage: Stage, now: Instant) -> Watch {
    let mut watch = Watch::new(std::process::id() as i32, program.clone());
    watch.enter(stage, now);
    watch
}

/// What is news in the turn after the daemon was held up for so long.
fn news_after(probes: &mut Probes, now: Instant) -> Vec<String> {
    probes.hear(now);
    assert!(probes.next_due(&mut Budget { ..A_TURN }, now).is_none());
    probes.news.drain(..).map(|news| format!("{:?}", news.what)).collect()
}

#[test]
fn who_has_spoken_while_the_daemon_was_held_up_is_not_silent() {
    let (program, ids) = program("ready: {notify: yes, watchdog: 1}", 100);
    let mut probes = Probes::new("x".to_owned()).unwrap();
    let (now, me) = (clock::now(), UnixDatagram::unbound().unwrap());
    for (place, id) in ids.iter().enumerate() {
        let mut watch = watch(&program, Stage::Running, now);
        let name = format!("taskmaster.test.late.{}.{place}", std::process::id());
        let it = Post::open(&name, 0, crate::sys::users::me()).unwrap();
        let token = probes.set.add(it.mailbox.as_fd(), *id, Part::Post, Interest::Read);
        watch.post = Some(Polled { it, token: token.unwrap() });
        probes.watches.insert(*id, watch);
        probes.arm(*id);
        // One of them has nothing to say but this.
        let text = if place == 7 { "STATUS=x" } else { "WATCHDOG=1" };
        let address = UnixAddr::from_abstract_name(&name).unwrap();
        me.send_to_addr(text.as_bytes(), &address).unwrap();
    }
    let news = news_after(&mut probes, now + STALL);
    let unhealthy = news.iter().filter(|what| *what == "Unhealthy").count();
    assert_eq!(unhealthy, 1, "{news:?}");
    assert!(news.iter().any(|what| what.contains("no WATCHDOG=1 within 1s")), "{news:?}");
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// One of whom something was asked just now.
fn asked(keys: &str, stage: Stage, address: SocketAddr, now: Instant) -> (Probes, Id) {
    let (program, ids) = program(keys, 1);
    let mut probes = Probes::new("x".to_owned()).unwrap();
    let watch = watch(&program, stage, now);
    let url = match watch.question().unwrap() {
        Question::Connect(_, url) => url,
        other => panic!("{other:?}"),
    };
    probes.watches.insert(ids[0], watch);
    probes.begun(ids[0], Attempt::connect(address, url), now);
    (probes, ids[0])
}

#[test]
fn a_connection_that_was_made_while_the_daemon_was_held_up_is_an_answer() {
    let ((listener, address), now) = (listener(), clock::now());
    let (mut probes, id) =
        asked(&format!("ready: {{tcp: '{address}'}}"), Stage::Starting, address, now);
    listener.accept().unwrap();
    // As before it is found not to be ready in time, and as any other probe's end.
    let mut other = asked(&format!("ready: {{tcp: '{address}'}}"), Stage::Starting, address, now);
    probes.catch_up(id, now + STALL);
    assert_eq!(format!("{:?}", probes.news.pop_front().unwrap().what), "Ready");
    other.0.pass_time(other.1, now + STALL);
    assert_eq!(format!("{:?}", other.0.news.pop_front().unwrap().what), "Ready");
}

#[test]
fn a_request_that_the_daemon_was_late_to_send_has_its_time_to_be_answered() {
    let ((listener, address), now) = (listener(), clock::now());
    let health = format!("health: {{http: 'http://{address}/', interval: 5, timeout: 5}}");
    let (mut probes, id) = asked(&health, Stage::Running, address, now);
    let stream = listener.accept().unwrap();
    probes.pass_time(id, now + STALL);
    assert_eq!(probes.news.len(), 0, "it was asked just now");
    let due = probes.due().unwrap();
    assert_eq!(due, now + STALL + Duration::from_secs(5));
    probes.pass_time(id, due);
    let news = probes.news.pop_front().unwrap().what;
    assert!(format!("{news:?}").contains("no answer within 5s"), "{news:?}");
    drop(stream);
}

#[test]
fn a_connection_is_out_of_the_set_before_it_is_closed() {
    let ((listener, address), now) = (listener(), clock::now());
    let ready = format!("ready: {{tcp: '{address}'}}");
    let (mut probes, id) = asked(&ready, Stage::Starting, address, now);
    let flight = probes.watches[&id].flight.as_ref().unwrap();
    // As a child has one for as long as it takes to execute.
    let copy = flight.attempt.descriptor().0.try_clone_to_owned().unwrap();
    listener.accept().unwrap();
    probes.hear(now);
    assert_eq!(format!("{:?}", probes.news.pop_front().unwrap().what), "Ready");
    probes.set.epoll.look(DESCRIPTORS_A_TURN).unwrap();
    assert!(probes.set.epoll.event(0).is_none(), "it is told of, and is nobody's");
    drop(copy);
}
