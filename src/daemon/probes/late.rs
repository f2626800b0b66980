//! Time that is over: whose word did not come, and whose answer.
//!
//! Of the descriptors that have something a turn deals with a few only, and the daemon itself may
//! have been held up for longer than anybody is to be waited for. So nobody is found to be late
//! before what has arrived from them was read; and a connection that the daemon itself was late to
//! go on with has its time from then on.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::watch::Flight;
use super::{Probes, What};
use crate::daemon::when::span;
use crate::supervisor::Id;
use crate::sys::poll::{Interest, Poller};
use crate::sys::signals;

impl Probes {
    /// Reads all that has arrived from one of whom it is about to be said that it is not ready.
    pub(super) fn catch_up(&mut self, id: Id, now: Instant) {
        self.read_all_of_post(id, now);
        self.read_line(id);
        self.look_at_connection(id, now);
    }

    /// What is over by now is over.
    pub(super) fn pass_time(&mut self, id: Id, now: Instant) {
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(post) = &mut watch.post
            && post.it.muted_until().is_some_and(|at| at <= now)
        {
            post.it.unmute();
            let _ = self.set.epoll.change(post.it.mailbox.as_fd(), post.token, Interest::Read);
        }
        if watch.is_starved(now) {
            self.read_all_of_post(id, now);
        }
        let Some(watch) = self.watches.get_mut(&id) else { return };
        let starved = watch.is_starved(now);
        let starved = watch.watchdog.take_if(|_| starved).map(|dog| dog.time);
        if let Some(time) = starved {
            self.complain(id, format!("no WATCHDOG=1 within {}", span(time)));
            self.tell(id, What::Unhealthy);
        }
        self.end_flight(id, now);
    }

    /// A probe that takes too long is over.
    fn end_flight(&mut self, id: Id, now: Instant) {
        let is_late = |flight: &Flight| flight.until.is_some_and(|until| until <= now);
        let flight = self.watches.get(&id).and_then(|watch| watch.flight.as_ref());
        if !flight.is_some_and(is_late) {
            return;
        }
        self.look_at_connection(id, now);
        let Some(watch) = self.watches.get_mut(&id) else { return };
        if let Some(flight) = watch.flight.take_if(|flight| is_late(flight)) {
            let answer = Err(flight.attempt.too_late(flight.limit));
            self.give_up(id, flight);
            self.answered(id, &answer, now);
        }
    }

    /// A probe whose time is over. A command is killed, and keeps its place until it is gone: never
    /// is there one on top of another.
    fn give_up(&mut self, id: Id, flight: Flight) {
        let Attempt::Command(command) = &flight.attempt else { return self.land(flight) };
        let _ = signals::send(command.pid, signals::KILL, true);
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.flight = Some(Flight { until: None, is_over: true, ..flight });
        }
    }

    /// Reads a mailbox until it is empty, or its owner has to wait for having said too much.
    fn read_all_of_post(&mut self, id: Id, now: Instant) {
        let post = |probes: &Self| Some(probes.watches.get(&id)?.post.as_ref()?.it.muted_until());
        while post(self) == Some(None) && self.read_post(id, now) {}
    }

    /// A connection goes on if it can. The end of a command is another matter: that is seen before
    /// anything is found to be late.
    fn look_at_connection(&mut self, id: Id, now: Instant) {
        let flight = self.watches.get(&id).and_then(|watch| watch.flight.as_ref());
        let Some(flight) = flight.filter(|flight| !matches!(flight.attempt, Attempt::Command(_)))
        else {
            return;
        };
        let was_connecting = matches!(flight.attempt, Attempt::Connecting { .. });
        let (fd, interest) = flight.attempt.descriptor();
        let mut poller = Poller::new();
        let slot = poller.add(fd, interest);
        if poller.wait(Some(Duration::ZERO)).is_err() {
            return;
        }
        let ready = poller.ready(slot);
        if !(ready.read || ready.write || ready.gone) {
            return;
        }
        self.go_on(id, ready, now);
        let flight = self.watches.get_mut(&id).and_then(|watch| watch.flight.as_mut());
        if let Some(flight) = flight
            && was_connecting
            && matches!(flight.attempt, Attempt::Asking { .. })
        {
            flight.until = flight.until.map(|_| now + flight.limit);
            self.arm(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};
    use std::rc::Rc;

    use super::super::attempt::Attempt;
    use super::super::mailbox::Post;
    use super::super::stage::Stage;
    use super::super::watch::{Polled, Watch};
    use super::super::{A_TURN, Budget, Part};
    use super::*;
    use crate::config::{self, Program};
    use crate::daemon::source::surroundings;
    use crate::daemon::texts::Texts;
    use crate::supervisor::{Moment, Supervisor};
    use crate::sys::clock;

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
            super::super::watch::Question::Connect(_, url) => url,
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
        let mut other =
            asked(&format!("ready: {{tcp: '{address}'}}"), Stage::Starting, address, now);
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
}
