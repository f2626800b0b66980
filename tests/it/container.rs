//! As PID 1 in a PID namespace of its own, as in a container.

use std::fs::File;
use std::process::{Child, Command};

use crate::bench::{Bench, Said, children, finished, lives, proc, signal, until};
use crate::probes::free_port;

/// A namespace that ends with the test, whatever happens.
const UNSHARE: [&str; 6] =
    ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation=private"];

/// Whether this user may make namespaces here.
fn is_permitted() -> bool {
    let tried = Command::new(UNSHARE[0]).args(&UNSHARE[1..]).arg("true").output();
    let permitted = tried.is_ok_and(|tried| tried.status.success());
    if !permitted {
        eprintln!("skipped: no PID namespace may be made here");
    }
    permitted
}

/// A container: whoever made the namespace, and what the daemon has printed.
struct Container<'a> {
    bench: &'a Bench,
    outside: Child,
}

impl<'a> Container<'a> {
    /// Runs the daemon as PID 1, after this script of the shell.
    fn run(bench: &'a Bench, before: &str, env: &[(&str, &str)]) -> Self {
        let script = format!("{before} exec \"$0\" \"$@\"");
        let words = [&UNSHARE[..], &["sh", "-c", &script]].concat();
        let mut command = bench.daemon_through(&words);
        command.envs(env.iter().copied());
        command.stdout(File::create(bench.path("stdout")).unwrap());
        command.stderr(File::create(bench.path("stderr")).unwrap());
        Self { bench, outside: command.spawn().unwrap() }
    }

    /// The daemon's process id, as seen from here.
    fn pid(&self) -> i32 {
        let outside = self.outside.id() as i32;
        until("there is a PID 1", || children(outside).len() == 1);
        children(outside)[0]
    }

    fn until_printed(&self, file: &str, what: &str) {
        let printed = || self.bench.read(file).contains(what);
        self.bench.until(&format!("{file} says {what}"), |_| printed());
    }

    /// Asks it to end: its exit status.
    fn terminated(mut self) -> Option<i32> {
        signal(self.pid(), libc::SIGTERM);
        let mut status = None;
        until("it ends", || {
            status = self.outside.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // With it goes PID 1, and with that everything in the namespace.
        let _ = self.outside.kill();
        let _ = self.outside.wait();
    }
}

#[test]
fn it_reaps_strangers_and_stops_all_in_order_on_term() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::new(
        "a: {cmd: [sh, -c, 'sh -c \"setsid sh -c \\\"echo > came\\\" &\"; \
               trap \"echo bye > bye; exit\" TERM; sleep 1000 & wait']}",
    );
    let container = Container::run(&bench, "", &[]);
    container.until_printed("stderr", "daemon started");
    container.until_printed("stderr", "pid=1 ");
    container.until_printed("stderr", "reaped a child that is no program's");
    assert_eq!(bench.ctl("pid").out, "1\n");
    let inside = children(container.pid());
    assert!(!inside.iter().any(|pid| proc(*pid, "stat").contains(") Z ")), "a zombie");
    bench.until_state("a", "RUNNING");
    let programs = children(container.pid());
    assert_eq!(container.terminated(), Some(0));
    assert_eq!(bench.read("bye"), "bye\n");
    assert!(!programs.into_iter().any(lives));
}

#[test]
fn what_does_not_stop_is_killed_after_shutdown_time() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::new("");
    bench.configure_daemon(
        "shutdown_time: 0.5,",
        "a: {cmd: [sh, -c, 'trap \"\" TERM; echo > up; while :; do sleep 1; done'], stoptime: 600}",
    );
    let container = Container::run(&bench, "", &[]);
    bench.until("it is up", |bench| bench.read("up") == "\n");
    assert_eq!(container.terminated(), Some(0));
}

/// Makes the state folder one of a file system that is read-only.
const READ_ONLY: &str = "mkdir state && mount -t tmpfs -o ro none state &&";

#[test]
fn without_a_writable_disk_or_a_secret_it_runs_and_keeps_its_port_closed() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::new("");
    let port = free_port();
    let text = format!(
        "daemon: {{listen: '127.0.0.1:{port}', state_dir: state}}\n\
         programs:\n  a: {{cmd: [sh, -c, 'echo out of a; echo err of a >&2; exec sleep 1000']}}\n"
    );
    bench.write("taskmaster.yaml", &text);
    let container = Container::run(&bench, READ_ONLY, &[]);
    container.until_printed("stderr", "no state folder: opening ");
    container.until_printed("stderr", "Read-only file system");
    container.until_printed(
        "stderr",
        "the control port stays closed: there is no secret: name a file with one in \
         daemon.secret_file or $TASKMASTER_SECRET_FILE",
    );
    // `auto` is `inherit`.
    container.until_printed("stdout", "out of a");
    container.until_printed("stderr", "err of a");
    container.until_printed("stderr", "running name=a");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    // A reload finds the log where it was.
    bench.write("taskmaster.yaml", &text.replace("  a: {", "  b: {cmd: sleep 1000}\n  a: {"));
    signal(container.pid(), libc::SIGHUP);
    container.until_printed("stderr", "running name=b");
    assert_eq!(container.terminated(), Some(0));
}

#[test]
fn with_a_secret_it_can_be_asked_without_a_writable_disk() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::new("");
    let port = free_port();
    bench.write(
        "taskmaster.yaml",
        &format!(
            "daemon: {{listen: '127.0.0.1:{port}', state_dir: state}}\n\
             programs:\n  a: {{cmd: sleep 1000, starttime: 0.1}}\n"
        ),
    );
    let secret = bench.write("secret", "hush hush hush\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(&secret, mode).unwrap();
    let named = secret.display().to_string();
    let named = [("TASKMASTER_SECRET_FILE", named.as_str())];
    let container = Container::run(&bench, READ_ONLY, &named);
    container.until_printed("stderr", "running name=a");
    let ctl = |words: &[&str], env: &[(&str, &str)]| -> Said {
        let mut command = crate::bench::taskmaster();
        command.current_dir(bench.path("")).args(["shell", "-c", "taskmaster.yaml"]).args(words);
        command.envs(env.iter().copied()).output().unwrap().into()
    };
    // As a probe of Kubernetes would.
    assert_eq!(ctl(&["status", "a"], &named).status, 0);
    assert_eq!(ctl(&["stop", "a"], &named).status, 0);
    assert_eq!(ctl(&["status", "a"], &named).status, 3);
    assert_eq!(ctl(&["status", "a"], &[]).status, 5);
    let tail = ctl(&["tail", "a"], &named);
    assert!(tail.err.contains("its stdout goes where the daemon's own does"), "{tail:?}");
    assert_eq!(container.terminated(), Some(0));
}

#[test]
fn a_secret_that_others_may_read_opens_nothing() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::new("a: {cmd: sleep 1000}");
    let secret = bench.write("secret", "hush hush hush\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&secret, mode).unwrap();
    let named = [("TASKMASTER_SECRET_FILE", secret.to_str().unwrap())];
    let container = Container::run(&bench, READ_ONLY, &named);
    container.until_printed("stderr", "the control port stays closed: the secret ");
    container.until_printed("stderr", "is not private");
    assert_eq!(container.terminated(), Some(0));
}

#[test]
fn one_that_is_not_the_init_refuses_to_run_without_its_state_folder() {
    let bench = Bench::new("a: {cmd: sleep 1000}");
    bench.write("state", "a file stands here");
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("; name another folder in daemon.state_dir"), "{said:?}");
}

#[test]
fn two_that_share_a_state_folder_are_still_one_too_many() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::up("a: {cmd: sleep 1000}");
    let mut container = Container::run(&bench, "", &[]);
    container.until_printed("stderr", "already running: the daemon with pid ");
    assert_eq!(container.outside.wait().unwrap().code(), Some(1));
}

#[test]
fn detaching_is_refused() {
    if !is_permitted() {
        return;
    }
    let bench = Bench::new("a: {cmd: sleep 1000}");
    let mut command = bench.daemon_through(&UNSHARE);
    command.arg("-d");
    let said = finished(command);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("-d makes no sense as PID 1"), "{said:?}");
}
