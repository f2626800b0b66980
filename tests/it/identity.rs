//! Who a process is: user, group, and whose its files are. Only root can start as others.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::unistd::{Group, User};

use crate::bench::{Bench, is_root, status_of};

fn user(name: &str) -> (u32, u32) {
    let user = User::from_name(name).unwrap().unwrap();
    (user.uid.as_raw(), user.gid.as_raw())
}

fn group(name: &str) -> u32 {
    Group::from_name(name).unwrap().unwrap().gid.as_raw()
}

/// Real, effective, saved and file system id, all the same.
fn four(id: u32) -> String {
    format!("{id}\t{id}\t{id}\t{id}")
}

/// The supplementary groups, sorted.
fn groups(pid: i32) -> Vec<u32> {
    let line = status_of(pid, "Groups");
    let mut groups: Vec<u32> = line.split_whitespace().map(|gid| gid.parse().unwrap()).collect();
    groups.sort_unstable();
    groups
}

#[test]
fn a_user_brings_its_groups_and_nothing_of_roots() {
    if !is_root() {
        return;
    }
    let bench = Bench::up("a: {cmd: sleep 1000, starttime: 0, user: games}");
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    let (uid, gid) = user("games");
    assert_eq!((status_of(pid, "Uid"), status_of(pid, "Gid")), (four(uid), four(gid)));
    let id = Command::new("id").args(["-G", "games"]).output().unwrap().stdout;
    let id = String::from_utf8(id).unwrap();
    let mut expected: Vec<u32> = id.split_whitespace().map(|gid| gid.parse().unwrap()).collect();
    expected.sort_unstable();
    assert_eq!(groups(pid), expected);
    assert_eq!(status_of(pid, "CapEff"), "0000000000000000");
}

/// The sets of capabilities of a process, but for the one that only bounds what a file may give.
fn capabilities(pid: i32) -> Vec<String> {
    ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(|set| status_of(pid, set)).into()
}

#[test]
fn who_becomes_another_keeps_no_capability() {
    if !is_root() {
        return;
    }
    let programs = "a: {cmd: sleep 1000, starttime: 0, user: games}";
    let caps = "--inh-caps=+setuid,+setgid,+kill,+net_raw";
    let mut bench = Bench::new(programs);
    let command = bench.daemon_through(&["setpriv", caps]);
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    assert_ne!(status_of(bench.pid(), "CapInh"), "0000000000000000");
    assert_eq!(capabilities(bench.pid_of("a")), ["0000000000000000"; 4]);
    bench.stop();
    // A user who may become others, as a service manager can make one.
    let mut bench = Bench::new(programs);
    fs::create_dir(bench.path("state")).unwrap();
    std::os::unix::fs::chown(bench.path("state"), Some(54321), Some(54321)).unwrap();
    let ambient = "--ambient-caps=+setuid,+setgid,+kill,+net_raw";
    let ids = ["--reuid=54321", "--regid=54321", "--clear-groups"];
    let through = ["setpriv", ids[0], ids[1], ids[2], caps, ambient];
    let mut probe = Command::new("setpriv");
    probe.args(&through[1..]).arg(env!("CARGO_BIN_EXE_taskmaster")).arg("--version");
    if !probe.output().is_ok_and(|said| said.status.success()) {
        return; // that user cannot reach the binary here
    }
    let command = bench.daemon_through(&through);
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    assert_eq!(status_of(bench.pid_of("a"), "Uid"), four(user("games").0));
    assert_eq!(capabilities(bench.pid_of("a")), ["0000000000000000"; 4]);
}

/// Calls of keyctl(2) and add_key(2) by number, since no tool for them need be installed.
const KEYS: &str = "\
import ctypes, os, platform, sys
call = ctypes.CDLL(None).syscall
add, ctl = {'x86_64': (248, 250), 'aarch64': (217, 219)}[platform.machine()]
JOIN, SEARCH, SESSION = 1, 10, ctypes.c_long(-3)
kind, name = b'user', b'taskmaster-test'
";

#[test]
fn who_becomes_another_has_no_key_of_the_daemons_session() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    let holder = "call(ctl, JOIN, 0)\n\
                  if call(add, kind, name, b'x', 1, SESSION) < 0: sys.exit(9)\n\
                  os.execvp(sys.argv[1], sys.argv[1:])\n";
    bench.write("holder.py", &format!("{KEYS}{holder}"));
    let seeker = "found = call(ctl, SEARCH, SESSION, kind, name, 0)\n\
                  print('none' if found < 0 else 'found', flush=True)\n\
                  import time; time.sleep(1000)\n";
    bench.write("seeker.py", &format!("{KEYS}{seeker}"));
    bench.configure(
        "same: {cmd: python3 seeker.py, starttime: 0, stdout: same}\n\
         other: {cmd: python3 seeker.py, starttime: 0, stdout: other, user: games}",
    );
    let probe = Command::new("python3").arg(bench.path("holder.py")).arg("true").status();
    if !probe.is_ok_and(|status| status.success()) {
        return; // no keys here
    }
    let command = bench.daemon_through(&["python3", "holder.py"]);
    bench.start_as(command);
    bench.until("root's own has it", |bench| bench.read("same") == "found\n");
    bench.until("the other has not", |bench| bench.read("other") == "none\n");
}

#[test]
fn users_and_groups_may_be_numbers() {
    if !is_root() {
        return;
    }
    let (uid, gid) = user("games");
    let bench = Bench::up(&format!(
        "known: {{cmd: sleep 1000, starttime: 0, user: {uid}, group: daemon}}\n\
         unknown: {{cmd: sleep 1000, starttime: 0, user: 54321, group: 54322}}\n\
         alone: {{cmd: sleep 1000, starttime: 0, user: 54321, startretries: 0}}\n\
         group: {{cmd: sleep 1000, starttime: 0, group: {gid}}}"
    ));
    for name in ["known", "unknown", "group"] {
        bench.until_state(name, "RUNNING");
    }
    let ids = |name: &str| {
        let pid = bench.pid_of(name);
        (status_of(pid, "Uid"), status_of(pid, "Gid"))
    };
    assert_eq!(ids("known"), (four(uid), four(group("daemon"))));
    assert_eq!(ids("unknown"), (four(54321), four(54322)));
    assert_eq!(groups(bench.pid_of("unknown")), [54322]);
    assert_eq!(ids("group"), (four(0), four(gid)));
    bench.until_state("alone", "FATAL");
    let why = bench.row("alone")["description"].as_str().unwrap().to_owned();
    assert!(why.contains("54321 has no entry in the user database"), "{why}");
}

#[test]
fn a_log_belongs_to_the_programs_user_and_group() {
    if !is_root() {
        return;
    }
    let bench = Bench::up(
        "a: {cmd: [sh, -c, 'echo hello > /dev/stdout; exec sleep 1000'], starttime: 0, \
             user: games, group: daemon, stdout: out.txt}\n\
         b: {cmd: [sh, -c, 'echo hello; exec sleep 1000'], starttime: 0, user: games}",
    );
    let owners = (user("games").0, group("daemon"));
    bench.until("it can open its own output", |bench| bench.read("out.txt") == "hello\n");
    let about = fs::metadata(bench.path("out.txt")).unwrap();
    assert_eq!((about.uid(), about.gid()), owners);
    bench.until("b has spoken", |bench| bench.read("state/log/b.stdout.log") == "hello\n");
    let about = fs::metadata(bench.path("state/log/b.stdout.log")).unwrap();
    assert_eq!((about.uid(), about.gid()), user("games"));
}

#[test]
fn a_folder_that_the_user_may_not_enter_is_a_failed_start() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new(
        "a: {cmd: sleep 1000, user: games, workingdir: '${here}/closed', startretries: 0}",
    );
    let closed = bench.path("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    bench.start();
    bench.until_state("a", "FATAL");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    let reason = format!("changing directory to {}: Permission denied, ", closed.display());
    assert!(why.starts_with(&reason), "{why}");
}

#[test]
fn who_is_not_root_can_start_as_itself_alone() {
    if is_root() {
        return;
    }
    let me = User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
    let bench = Bench::up(&format!(
        "user: {{cmd: sleep 1000, user: root, startretries: 0}}\n\
         group: {{cmd: sleep 1000, group: root, startretries: 0}}\n\
         me: {{cmd: sleep 1000, user: {me}, starttime: 0}}"
    ));
    for name in ["user", "group"] {
        bench.until_state(name, "FATAL");
        let why = bench.row(name)["description"].as_str().unwrap().to_owned();
        let reason = format!("becoming {name} root: Operation not permitted, ");
        assert!(why.starts_with(&reason), "{why}");
    }
    bench.until_state("me", "RUNNING");
}
