//! `-d`: the daemon leaves its caller alone, or tells it why it could not start.

use std::fs;
use std::net::TcpListener;

use crate::bench::{Bench, Said, finished, lives, proc, signal, until};

/// A daemon that nobody's child is any more, and is ended with this.
struct Detached {
    bench: Bench,
    pid: i32,
    said: Said,
}

impl Detached {
    fn start(bench: Bench) -> Self {
        let mut command = bench.daemon_command();
        command.arg("-d");
        let said = finished(command);
        assert_eq!(said.status, 0, "{said:?}");
        let pid = bench.ctl("pid").out.trim().parse().unwrap();
        Self { bench, pid, said }
    }

    fn end(self) {
        assert_eq!(self.bench.ctl("shutdown").status, 0);
        until("it has ended", || !lives(self.pid));
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if lives(self.pid) {
            let told = self.bench.ctl("shutdown").status == 0;
            if !told {
                signal(self.pid, libc::SIGKILL);
            }
        }
    }
}

/// How the daemon fails to detach.
fn refusal(bench: &Bench) -> Said {
    let mut command = bench.daemon_command();
    command.arg("--detach");
    finished(command)
}

#[test]
fn it_returns_once_everything_has_been_launched() {
    let programs = "a: {cmd: sleep 1000, starttime: 1000, numprocs: 5}\n\
                    b: {cmd: /no/such, startretries: 0}";
    let daemon = Detached::start(Bench::new(programs));
    assert_eq!((daemon.said.out.as_str(), daemon.said.status), ("", 0));
    let rows = daemon.bench.rows();
    assert!(rows.iter().all(|row| row["program"] == "b" || row["pid"].is_i64()), "{rows:?}");
    assert_eq!(daemon.bench.state("b"), "FATAL");
    daemon.end();
}

#[test]
fn it_keeps_its_folder_and_nothing_of_the_callers_terminal() {
    let daemon = Detached::start(Bench::new("a: {cmd: sleep 1000, starttime: 0}"));
    let link = |name: &str| fs::read_link(format!("/proc/{}/{name}", daemon.pid)).unwrap();
    for fd in 0..3 {
        assert_eq!(link(&format!("fd/{fd}")).to_str(), Some("/dev/null"));
    }
    assert_eq!(link("cwd"), daemon.bench.path("").canonicalize().unwrap());
    // A session that it does not lead: no terminal it opens becomes its own.
    let stat = proc(daemon.pid, "stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let (session, terminal) = (fields[3], fields[4]);
    assert!(session != daemon.pid.to_string() && terminal == "0", "{stat}");
    daemon.end();
}

#[test]
fn inherited_output_is_lost_and_it_says_so() {
    let daemon = Detached::start(Bench::new(
        "a: {cmd: [sh, -c, echo lost; exec sleep 1000], starttime: 0, stdout: inherit}",
    ));
    assert_eq!(daemon.said.out, "");
    let log = daemon.bench.log();
    assert!(
        log.lines().any(|l| l.contains("warning") && l.contains("inherited output of a")),
        "{log}"
    );
    daemon.bench.until_state("a", "RUNNING");
    daemon.bench.ctl("restart a");
    let pid = daemon.bench.pid_of("a");
    assert_eq!(fs::read_link(format!("/proc/{pid}/fd/1")).unwrap().to_str(), Some("/dev/null"));
    daemon.end();
}

#[test]
fn a_broken_configuration_is_told_with_status_2() {
    let bench = Bench::new("a: {cmd: sleep 1, numprocs: 0}\nb: {cmd: sleep 1, autostrat: no}");
    let said = refusal(&bench);
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.err.contains("programs.a.numprocs"), "{}", said.err);
    assert!(said.err.contains("autostart"), "{}", said.err);
}

#[test]
fn an_address_in_use_is_told_with_status_1() {
    let bench = Bench::new("");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    bench.write("taskmaster.yaml", &format!("daemon: {{listen: '{address}', state_dir: state}}\n"));
    let said = refusal(&bench);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains(&format!("listening on {address}: Address already in use")));
}

#[test]
fn one_that_runs_already_is_named_with_status_1() {
    let bench = Bench::up("");
    let said = refusal(&bench);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains(&format!("pid {}", bench.pid())), "{}", said.err);
}
