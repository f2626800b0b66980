//! System calls that fail, again and again, and signals in bursts: whatever happens, what the
//! daemon says, what the kernel knows and what was asked for come to agree, and the end is in order.
//!
//! strace(1) makes the calls fail, where it may trace.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, children, lives, proc, programs_of, signal, signal_number};
use crate::inject::Fault;

const PROGRAMS: &str = "\
a: {cmd: [sh, -c, 'echo up; exec sleep 1000'], starttime: 0, numprocs: 3, autorestart: always, \
    backoff: 0.05, startretries: unlimited}
b: {cmd: sleep 1000, starttime: 0, autorestart: always, backoff: 0.05, startretries: unlimited, \
    stdout: discard, stderr: discard}
";

/// Whether strace is here, and may trace.
fn can_inject() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-o", "/dev/null", "-e", "inject=getppid:error=EPERM", "true"]);
    let can = strace.output().is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: strace is not here, or may not trace");
    }
    can
}

/// What `status` says; nothing if it could not be asked this time.
fn asked(bench: &Bench) -> Option<Vec<Value>> {
    let said = bench.ctl("status --json");
    [0, 3].contains(&said.status).then(|| serde_json::from_str(&said.out).unwrap())
}

/// All are up, by what is said and by what there is, and nothing else is there.
fn agrees(bench: &Bench, count: usize) -> bool {
    let Some(rows) = asked(bench) else { return false };
    let said: BTreeSet<i32> =
        rows.iter().filter_map(|row| Some(row["pid"].as_i64()? as i32)).collect();
    let there: BTreeSet<i32> = programs_of(bench.pid()).into_iter().collect();
    let all_run = rows.iter().all(|row| row["state"] == "RUNNING");
    all_run && rows.len() == count && said == there && said.into_iter().all(lives)
}

/// Deaths, restarts and a reload: afterwards all is well.
fn lives_through(bench: &mut Bench) {
    bench.until("all run", |bench| agrees(bench, 4));
    for _ in 0..3 {
        let victims = programs_of(bench.pid());
        victims.iter().for_each(|pid| signal(*pid, libc::SIGKILL));
        let all_new = |bench: &Bench| {
            agrees(bench, 4) && programs_of(bench.pid()).iter().all(|pid| !victims.contains(pid))
        };
        bench.until("all are new", all_new);
    }
    let victims = programs_of(bench.pid());
    bench.until("a restart is taken", |bench| bench.ctl("restart --no-wait all").status == 0);
    bench.until("all are new again", |bench| {
        agrees(bench, 4) && programs_of(bench.pid()).iter().all(|pid| !victims.contains(pid))
    });
    let more = "c: {cmd: sleep 1000, starttime: 0, backoff: 0.05, startretries: unlimited}\n";
    bench.configure(&format!("{PROGRAMS}{more}"));
    bench.until("a reload is taken", |bench| bench.ctl("reload").status == 0);
    bench.until("there is one more", |bench| agrees(bench, 5));
    // And in order to its end.
    let (daemon, left) = (bench.pid(), children(bench.pid()));
    signal(daemon, libc::SIGTERM);
    assert_eq!(bench.ended(), 0);
    assert!(!left.into_iter().any(lives));
}

/// The same life under each of these; a `when` says from which call on, and how often.
fn suffers(faults: &[&str]) {
    if !can_inject() {
        return;
    }
    for fault in faults {
        let mut bench = Bench::new(PROGRAMS);
        let inject = format!("inject={fault}");
        let command = bench.daemon_through(&["strace", "-D", "-o", "/dev/null", "-e", &inject]);
        bench.start_as(command);
        // Else the fault was never there.
        assert_ne!(
            proc(bench.pid(), "status").split_once("TracerPid:\t").unwrap().1.lines().next(),
            Some("0")
        );
        eprintln!("under {fault}");
        lives_through(&mut bench);
    }
}

#[test]
fn launches_that_fail_are_tried_again() {
    suffers(&["clone:error=EAGAIN:when=2+3", "clone:error=ENOMEM:when=3+2"]);
}

#[test]
fn descriptors_that_cannot_be_had_are_done_without() {
    suffers(&[
        "pipe2:error=EMFILE:when=6+3",
        "accept4:error=ENFILE:when=2+3",
        "accept4:error=ECONNABORTED:when=2+2",
    ]);
}

#[test]
fn what_fails_once_it_runs_is_tried_again() {
    for fault in [
        "openat:error=EMFILE:when=2+7",
        "epoll_ctl,dup,fcntl:error=ENOMEM:when=2+5",
        "waitid,wait4:error=EINTR:when=2+2",
        "pipe2,pidfd_open:error=EMFILE:when=1+2",
    ] {
        let mut bench = Bench::up(PROGRAMS);
        let Some(_fault) = Fault::of(bench.pid(), None, fault) else { return };
        eprintln!("under {fault}");
        lives_through(&mut bench);
    }
}

#[test]
fn calls_that_are_interrupted_go_on() {
    suffers(&[
        "poll,ppoll:error=EINTR:when=2+2",
        "sendto,recvfrom,sendmsg,recvmsg:error=EINTR:when=2+2",
    ]);
}

#[test]
fn a_disk_that_fails_or_is_full_loses_lines_and_nothing_else() {
    suffers(&["write:error=EIO:when=30+2", "write:error=ENOSPC:when=30+1"]);
}

#[test]
fn a_slow_disk_makes_it_slow_and_nothing_else() {
    suffers(&["write:delay_enter=30ms", "rename,fsync,fdatasync:delay_enter=300ms"]);
}

#[test]
fn signals_that_cannot_be_sent_are_sent_again() {
    suffers(&["kill:error=EPERM:when=1+2", "kill:error=EAGAIN:when=2+2"]);
}

#[test]
fn a_signal_that_somebody_asks_for_and_cannot_be_sent_is_an_error() {
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0}\nb: {cmd: sleep 1, autostart: no}");
    bench.until_state("a", "RUNNING");
    let Some(fault) = Fault::of(bench.pid(), None, "kill:error=EPERM") else { return };
    let said = bench.ctl("signal usr1 all");
    let told = "a: sending USR1: Operation not permitted\nb: STOPPED: no process to take it\n";
    assert_eq!((said.status, said.out.as_str()), (1, told));
    assert!(
        bench.log().contains("sending USR1: Operation not permitted name=a"),
        "{}",
        bench.log()
    );
    drop(fault);
    assert_eq!(bench.ctl("signal CONT a").out, "a: CONT sent\n");
}

#[test]
fn one_that_cannot_be_killed_is_stopping_until_it_can() {
    let stubborn = "[sh, -c, 'trap \"\" TERM; sleep 1000 & wait; sleep 1000']";
    let mut bench = Bench::up(&format!("a: {{cmd: {stubborn}, starttime: 0, stoptime: 0.1}}"));
    let pid = bench.pid_of("a");
    let Some(fault) = Fault::of(bench.pid(), None, "kill:error=EPERM") else { return };
    assert_eq!(bench.ctl("stop --timeout 1.5 a").status, 1);
    assert_eq!((bench.state("a").as_str(), bench.pid_of("a")), ("STOPPING", pid));
    assert_eq!(programs_of(bench.pid()), [pid]);
    // What it is asked meanwhile does not make a second one.
    assert_eq!(bench.ctl("start --timeout 0.2 a").status, 1);
    assert_eq!(programs_of(bench.pid()), [pid]);
    drop(fault);
    bench.until("it is new", |bench| bench.has_new_pid("a", pid));
    assert!(!lives(pid));
    bench.stop();
}

#[test]
fn a_kernel_without_memory_is_waited_for() {
    suffers(&[
        "poll,ppoll:error=ENOMEM:when=20+7",
        "timerfd_settime:error=ENOMEM:when=3+2",
        "sendmsg:error=ENOBUFS:when=2+2",
    ]);
}

#[test]
fn bursts_of_signals_lose_no_death() {
    let mut bench = Bench::up(PROGRAMS);
    bench.until("all run", |bench| agrees(bench, 4));
    for round in 0..5 {
        let victims = programs_of(bench.pid());
        for number in 0..200 {
            let odd = [libc::SIGHUP, libc::SIGUSR1, libc::SIGALRM, libc::SIGCHLD, libc::SIGPIPE];
            signal(bench.pid(), odd[(number + round) % odd.len()]);
            if let Some(victim) = victims.get(number / 40).filter(|_| number % 40 == 0) {
                signal(*victim, libc::SIGKILL);
            }
        }
        signal_number(bench.pid(), 40);
        bench.until("all are new", |bench| {
            agrees(bench, 4) && programs_of(bench.pid()).iter().all(|pid| !victims.contains(pid))
        });
    }
    lives_through(&mut bench);
}

#[test]
fn deaths_while_the_daemon_is_stopped_are_seen_when_it_goes_on() {
    let mut bench = Bench::up(PROGRAMS);
    bench.until("all run", |bench| agrees(bench, 4));
    let victims = programs_of(bench.pid());
    let logger = children(bench.pid()).into_iter().find(|pid| !victims.contains(pid)).unwrap();
    signal(bench.pid(), libc::SIGSTOP);
    signal(logger, libc::SIGSTOP);
    victims.iter().for_each(|pid| signal(*pid, libc::SIGKILL));
    bench.until("they are dead", |_| !victims.iter().any(|pid| lives(*pid)));
    signal(bench.pid(), libc::SIGHUP);
    signal(bench.pid(), libc::SIGCONT);
    // Though nobody moves what they print.
    bench.until("all are new", |bench| {
        agrees(bench, 4) && programs_of(bench.pid()).iter().all(|pid| !victims.contains(pid))
    });
    let before = bench.read("state/log/a:0.stdout.log").lines().count();
    signal(logger, libc::SIGCONT);
    bench.until("what was printed is there", |bench| {
        bench.read("state/log/a:0.stdout.log").lines().count() > before
    });
    lives_through(&mut bench);
}

#[test]
fn one_that_runs_out_of_memory_is_an_end_like_any_other() {
    let mut bench = Bench::up(
        "a: {cmd: [sh, -c, 'exec dd if=/dev/zero of=/dev/null bs=1G count=1'], starttime: 0, limits: {as: 64MB}, \
             autorestart: never}\n\
         b: {cmd: sleep 1000, starttime: 0}",
    );
    bench.until_state("a", "EXITED");
    assert_eq!(bench.row("a")["expected"], false, "{}", bench.row("a"));
    bench.until_state("b", "RUNNING");
    assert_eq!(programs_of(bench.pid()), [bench.pid_of("b")]);
    bench.stop();
}
