//! A journal that is damaged, foreign, gone or cannot be written; and numbers that are another's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::bench::{Bench, exists, finished, is_root, lives, until};

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
fn a_state_folder_that_is_gone_is_told_of_once_and_supervision_goes_on() {
    let mut bench = Bench::new(TWO);
    bench.configure_daemon("log: {file: daemon.log}, secret_file: secret,", TWO);
    bench.start();
    let mut client = {
        let address = bench.read("state/address");
        let mut wire = crate::bench::Wire::connect(address.trim());
        wire.hello(bench.read("secret").trim());
        wire
    };
    let mut folder = bench.path("state").into_os_string();
    folder.push(".away");
    fs::rename(bench.path("state"), &folder).unwrap();
    for _ in 0..2 {
        let answer = client.ask("restart all");
        assert_eq!(answer.last().unwrap()["end"]["exit"], 0, "{answer:?}");
    }
    let log = bench.read("daemon.log");
    assert_eq!(log.matches("the next one does not know").count(), 1, "{log}");
    fs::rename(&folder, bench.path("state")).unwrap();
    until("it is written again", || {
        bench.read("daemon.log").contains("the journal is written again")
    });
    bench.stop();
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
