//! A journal that is damaged, foreign, gone or cannot be written; and numbers that are another's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::bench::{Bench, exists, finished, is_root, lives, signal, until};

const TWO: &str = "a: {cmd: sleep 1000, numprocs: 2, starttime: 0}";

#[test]
fn a_damaged_line_is_told_of_and_no_process_is_lost_by_it() {
    let mut bench = Bench::up(TWO);
    let pids = ["a:0", "a:1"].map(|name| bench.pid_of(name));
    bench.kill();
    let path = bench.path("state/journal");
    let mut journal = fs::read(&path).unwrap();
    let up = String::from_utf8_lossy(&journal).find("{\"up\":").unwrap();
    journal[up + 20] ^= 1;
    journal.extend_from_slice(b"\n{\"up\":{\"program\":\"a\",\"in");
    fs::write(&path, journal).unwrap();
    bench.start();
    assert!(bench.log().contains("2 damaged lines"), "{}", bench.log());
    assert_eq!(["a:0", "a:1"].map(|name| bench.pid_of(name)), pids);
}

#[test]
fn a_journal_that_others_may_write_is_not_believed() {
    let mut bench = Bench::up(TWO);
    let pids = ["a:0", "a:1"].map(|name| bench.pid_of(name));
    bench.kill();
    fs::set_permissions(bench.path("state/journal"), fs::Permissions::from_mode(0o666)).unwrap();
    let left = bench.recorded();
    bench.start();
    assert!(bench.log().contains("is not believed: others may"), "{}", bench.log());
    assert!(pids.into_iter().all(lives), "they were left alone");
    bench.stop();
    for (pid, _) in left {
        crate::bench::signal(pid, libc::SIGKILL);
    }
}

#[test]
fn a_journal_that_is_no_file_is_named_as_what_it_is_and_costs_nothing_else() {
    let mut bench = Bench::up(TWO);
    bench.stop();
    let journal = bench.path("state/journal");
    let elsewhere = bench.write("elsewhere", "kept");
    std::os::unix::fs::symlink(&elsewhere, &journal).unwrap();
    bench.start();
    assert!(bench.log().contains("is not believed: it is a symbolic link"), "{}", bench.log());
    assert_eq!(bench.ctl("restart all").status, 0);
    bench.stop();
    assert_eq!(bench.read("elsewhere"), "kept");
    fs::create_dir(&journal).unwrap();
    bench.start();
    assert!(bench.log().contains("is not believed: it is no regular file"), "{}", bench.log());
    assert!(bench.log().contains("until that is mended"), "{}", bench.log());
    assert_eq!(bench.ctl("restart all").status, 0);
    bench.stop();
    assert!(journal.is_dir());
}

#[test]
fn a_state_folder_that_is_gone_is_told_of_and_made_anew() {
    let mut bench = Bench::new(TWO);
    bench.configure_daemon("log: {file: daemon.log},", TWO);
    bench.start();
    let mut client = bench.client();
    fs::rename(bench.path("state"), bench.path("away")).unwrap();
    for _ in 0..2 {
        let answer = client.ask("restart all");
        assert_eq!(answer.last().unwrap()["end"]["exit"], 0, "{answer:?}");
    }
    let log = bench.read("daemon.log");
    assert_eq!(log.matches("the next one does not know").count(), 1, "{log}");
    until("it is made anew", || bench.read("daemon.log").contains("gone: made anew"));
    bench.until("clients find it", |bench| bench.ctl("status").status == 0);
    let pids = ["a:0", "a:1"].map(|name| bench.pid_of(name));
    let other = finished(bench.daemon_command());
    assert_eq!(other.status, 1, "the lock is held again: {other:?}");
    bench.kill();
    bench.start();
    assert_eq!(["a:0", "a:1"].map(|name| bench.pid_of(name)), pids);
}

#[test]
fn a_disk_that_is_full_stops_nothing_and_what_runs_is_known_by_the_next_daemon() {
    let mut bench = Bench::new("");
    let folder = bench.path("state");
    fs::create_dir(&folder).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=1m,mode=700", "none"];
    if !is_root() || !Command::new("mount").args(mount).arg(&folder).status().unwrap().success() {
        eprintln!("left out: nothing may be mounted here");
        return;
    }
    let _mounted = Mounted(folder.clone());
    bench.configure_daemon("log: {file: daemon.log},", TWO);
    bench.start();
    let mut full = fs::File::create(folder.join("full")).unwrap();
    while std::io::Write::write(&mut full, &[0; 4096]).is_ok_and(|count| count > 0) {}
    for _ in 0..20 {
        assert_eq!(bench.ctl("restart a:0").status, 0);
    }
    let pids = ["a:0", "a:1"].map(|name| bench.pid_of(name));
    bench.kill();
    bench.start();
    assert_eq!(["a:0", "a:1"].map(|name| bench.pid_of(name)), pids);
    assert_eq!(bench.ctl("disable a:0").status, 1, "there is no room to write that down");
    bench.stop();
}

/// In a mount namespace of its own, where the folder can be made read-only under the daemon.
#[test]
fn a_state_folder_that_becomes_read_only_stops_nothing_and_is_taken_up_when_it_is_no_more() {
    let mut unshare = Command::new("unshare");
    unshare.args(["-m", "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,bind,ro /tmp"]);
    if !is_root() || !unshare.status().is_ok_and(|status| status.success()) {
        eprintln!("left out: nothing may be mounted here");
        return;
    }
    let mut bench = Bench::new(TWO);
    let command = bench.daemon_through(&["unshare", "-m"]);
    bench.start_as(command);
    let holder = bench.pid_of("a:1");
    let folder = bench.path("");
    let inside = |script: &str| {
        let script = format!("cd {} && {script}", folder.display());
        ["nsenter", "-t", &holder.to_string(), "-m", "sh", "-c", &script, "sh"].map(str::to_owned)
    };
    let does = |script: &str| {
        let words = inside(script);
        assert!(Command::new(&words[0]).args(&words[1..]).status().unwrap().success());
    };
    does("mount --bind state state && mount -o remount,bind,ro state");

    bench.configure("a: {cmd: sleep 1000, numprocs: 2, starttime: 0}\nb: {cmd: [sh, -c, 'while echo x; do sleep 0.1; done'], starttime: 0}");
    assert_eq!(bench.ctl("reload").status, 0);
    bench.until("it is told", |bench| bench.log().contains("Read-only file system"));
    assert_eq!(bench.ctl("restart a:0").status, 0);
    assert_eq!(bench.ctl("disable a:0").status, 1, "that cannot be written down");
    bench.until("losses are counted", |bench| bench.row("b")["lost_bytes"].as_u64() > Some(0));
    let names = ["a:0", "a:1", "b"];
    let pids = names.map(|name| bench.pid_of(name));
    bench.kill();
    let again = inside("exec \"$@\"");
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let refused = finished(bench.daemon_through(&again));
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.err.contains("Read-only file system"), "{refused:?}");
    assert!(pids.into_iter().all(lives));
    does("umount state");
    bench.start();
    assert_eq!(names.map(|name| bench.pid_of(name)), pids);
    bench.stop();
}

/// A file system that goes with the test.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// In a PID namespace of its own, where a number can be had again.
#[test]
fn a_number_that_is_another_s_by_now_is_left_alone() {
    let mut unshare = Command::new("unshare");
    unshare.args(["--pid", "--fork", "--mount-proc", "true"]);
    if !is_root() || !unshare.status().is_ok_and(|status| status.success()) {
        eprintln!("left out: no PID namespace may be made here");
        return;
    }
    let bench = Bench::new("a: {cmd: sleep 1000, starttime: 0}");
    let script = bench.write(
        "script",
        r#"
            "$1" daemon -c taskmaster.yaml >/dev/null 2>&1 & daemon=$!
            ctl() { "$binary" shell -c taskmaster.yaml "$@"; }
            binary=$1
            until ctl status >/dev/null 2>&1; do sleep 0.02; done
            pid=$(ctl pid a); pid=${pid##* }
            kill -9 $daemon; wait $daemon
            kill -9 $pid; while [ -d /proc/$pid ]; do sleep 0.02; done
            sleep 0.05
            echo $((pid - 1)) > /proc/sys/kernel/ns_last_pid; sleep 1001 & stranger=$!
            [ $stranger = $pid ] || { echo "not the same number: $pid $stranger"; exit 0; }
            "$1" daemon -c taskmaster.yaml >/dev/null 2>&1 & daemon=$!
            until ctl status >/dev/null 2>&1; do sleep 0.02; done
            ctl shutdown >/dev/null; wait $daemon
            kill -0 $stranger && echo "the stranger lives"
        "#,
    );
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "bash"]).arg(&script);
    command.arg(env!("CARGO_BIN_EXE_taskmaster")).current_dir(bench.path(""));
    let said = finished(command);
    assert_eq!(said.out.lines().last(), Some("the stranger lives"), "{said:?}\n{}", bench.log());
    assert!(bench.log().contains("ended, status unknown"), "{}", bench.log());
    assert!(!exists(&bench.path("state/journal")));
}

#[test]
fn a_daemon_whose_state_folder_is_another_ones_by_now_leaves_it_alone() {
    let (mut first, mut second) = (Bench::up("a: {cmd: sleep 1000}"), Bench::new("{}"));
    let mut client = first.client();
    let state = first.path("state");
    fs::remove_dir_all(&state).unwrap();
    second.write(
        "taskmaster.yaml",
        &format!(
            "daemon: {{listen: '127.0.0.1:0', state_dir: '{}'}}\nprograms: {{b: {{cmd: sleep 1000}}}}\n",
            state.display()
        ),
    );
    second.start();
    assert_eq!(second.ctl("pid").out, format!("{}\n", second.pid()));
    let files = ["address", "journal", "logger", "secret"].map(|name| state.join(name));
    second.until("its logger is there", |_| files.iter().all(|file| exists(file)));
    let answer = client.ask("disable a");
    assert_eq!(answer.last().unwrap()["end"]["exit"], 1, "{answer:?}");
    assert!(!exists(&state.join("disabled")));
    signal(first.pid(), libc::SIGTERM);
    assert_eq!(first.ended(), 0);
    for file in &files {
        assert!(exists(file), "{}", file.display());
    }
    second.stop();
    assert!(!exists(&files[0]) && !exists(&files[1]), "its own it removes");
}
