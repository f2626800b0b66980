//! Hostile surroundings: nothing in them makes the daemon panic, hang or guess.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::bench::{Bench, Said, Wire, executed, finished, is_root, lives, signal, taskmaster};

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0}";

/// The daemon's end, which comes at once, with this status and on stderr this.
fn refuses(bench: &Bench, status: i32, reason: &str) -> Said {
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, status, "{said:?}");
    assert!(said.err.contains(reason), "{reason:?} is not in {}", said.err);
    said
}

#[test]
fn an_empty_environment_will_do() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, starttime: 0}");
    let mut command = bench.daemon_command();
    command.env_clear();
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    let environ = executed(bench.pid_of("a"), "environ");
    assert!(
        environ.split_terminator('\0').all(|pair| pair.starts_with("TASKMASTER_")),
        "{environ}"
    );
    bench.stop();
}

#[test]
fn with_nothing_to_go_by_it_says_where_it_looked() {
    if fs::exists("/etc/taskmaster/taskmaster.yaml").unwrap() {
        return;
    }
    let bench = Bench::new("");
    fs::remove_file(bench.path("taskmaster.yaml")).unwrap();
    let mut command = taskmaster();
    command.env_clear().current_dir(bench.path(".")).arg("daemon");
    let said = finished(command);
    assert_eq!(said.status, 2, "{said:?}");
    for word in ["taskmaster.yaml", "/etc/taskmaster/taskmaster.yaml", "-c FILE"] {
        assert!(said.err.contains(word), "{said:?}");
    }
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let bench = Bench::new("");
    fs::remove_file(bench.path("taskmaster.yaml")).unwrap();
    refuses(&bench, 2, "taskmaster.yaml: No such file or directory");
    fs::create_dir(bench.path("taskmaster.yaml")).unwrap();
    refuses(&bench, 2, "taskmaster.yaml: it is a folder");
}

#[test]
fn words_that_mean_nothing_are_a_usage_error() {
    for words in
        [&["daemon", "--frob"][..], &["daemon", "extra"], &["frobnicate"], &["daemon", "-c"]]
    {
        let mut command = taskmaster();
        command.args(words);
        let said = finished(command);
        assert_eq!((said.status, said.out.as_str()), (2, ""), "{words:?}");
        assert!(said.err.contains("--help"), "{words:?}: {}", said.err);
    }
}

#[test]
fn closed_standard_streams_are_filled_and_never_mixed_up() {
    let mut bench =
        Bench::new("a: {cmd: sleep 1000, starttime: 0, stdout: inherit, stderr: inherit}");
    let command = bench.daemon_through(&["sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"]);
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    for pid in [bench.pid(), bench.pid_of("a")] {
        for fd in 0..3 {
            let link = fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
            assert_eq!(link.to_str(), Some("/dev/null"), "{fd} of {pid}");
        }
    }
    bench.stop();
}

#[test]
fn a_state_folder_is_made_with_those_above_it() {
    let mut bench = Bench::new("");
    bench.write("taskmaster.yaml", "daemon: {listen: '127.0.0.1:0', state_dir: one/two/three}\n");
    let command = bench.daemon_command();
    bench.start_as(command);
    let mode = fs::metadata(bench.path("one/two/three")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let secret = fs::metadata(bench.path("one/two/three/secret")).unwrap().permissions().mode();
    assert_eq!(secret & 0o777, 0o600);
    bench.stop();
    assert!(!bench.path("one/two/three/address").exists(), "nobody listens any more");
}

#[test]
fn a_state_folder_that_cannot_be_is_named_with_the_way_out() {
    let bench = Bench::new(SLEEPER);
    bench.write("state", "I am a file");
    let said = refuses(&bench, 1, "/state");
    assert!(said.err.contains("daemon.state_dir"), "{}", said.err);
    // Nobody, not even root, makes folders here.
    bench.write("taskmaster.yaml", "daemon: {listen: '127.0.0.1:0', state_dir: /proc/x/y}\n");
    refuses(&bench, 1, "making /proc/x/y: ");
}

#[test]
fn a_state_folder_that_may_not_be_written_is_named() {
    let bench = Bench::new(SLEEPER);
    fs::create_dir(bench.path("state")).unwrap();
    fs::set_permissions(bench.path("state"), fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = bench.daemon_command();
    if is_root() {
        command.uid(54321).gid(54321);
        let mut probe = taskmaster();
        if probe.arg("--version").uid(54321).gid(54321).output().is_err() {
            return;
        }
    }
    let said = finished(command);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("/state/lock: Permission denied"), "{}", said.err);
}

/// Whether a mount namespace of one's own can be had, and this many bytes of memory in it.
fn can_mount() -> bool {
    let words = ["-m", "mount", "-t", "tmpfs", "-o", "size=16k", "none", "/mnt"];
    is_root() && Command::new("unshare").args(words).output().is_ok_and(|o| o.status.success())
}

#[test]
fn a_full_disk_is_named_at_the_start() {
    if !can_mount() {
        return;
    }
    let bench = Bench::new(SLEEPER);
    fs::create_dir(bench.path("state")).unwrap();
    let script = "mount -t tmpfs -o size=16k,mode=700 none state || exit 99; \
                  head -c 64k /dev/zero > state/filler 2> /dev/null; exec \"$@\"";
    let command = bench.daemon_through(&["unshare", "-m", "sh", "-c", script, "sh"]);
    let said = finished(command);
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("No space left on device"), "{}", said.err);
}

#[test]
fn a_disk_that_fills_up_costs_lines_of_the_log_and_nothing_else() {
    if !can_mount() {
        return;
    }
    let mut bench = Bench::new("");
    bench.configure_daemon("log: {file: small/log},", SLEEPER);
    fs::create_dir(bench.path("small")).unwrap();
    let script = "mount -t tmpfs -o size=16k none small || exit 99; \
                  head -c 64k /dev/zero > small/filler 2> /dev/null; exec \"$@\"";
    let command = bench.daemon_through(&["unshare", "-m", "sh", "-c", script, "sh"]);
    bench.start_as(command);
    let small = format!("/proc/{}/root{}", bench.pid(), bench.path("small").display());
    assert_eq!(bench.ctl("restart a").status, 0);
    fs::remove_file(format!("{small}/filler")).unwrap();
    assert_eq!(bench.ctl("restart a").status, 0);
    let log = fs::read_to_string(format!("{small}/log")).unwrap();
    assert!(
        log.lines().next().unwrap().contains("lines of this log could not be written"),
        "{log}"
    );
    assert!(log.contains("name=a"), "{log}");
    bench.stop();
}

#[test]
fn an_address_in_use_is_named() {
    let bench = Bench::new("");
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    bench.write("taskmaster.yaml", &format!("daemon: {{listen: '{address}', state_dir: state}}\n"));
    let said = refuses(&bench, 1, &format!("listening on {address}: Address already in use"));
    assert!(said.err.contains("daemon.listen"), "{}", said.err);
}

#[test]
fn of_two_daemons_on_one_folder_the_second_names_the_first() {
    let bench = Bench::up(SLEEPER);
    let pid = bench.pid_of("a");
    let said = refuses(&bench, 1, &format!("pid {}", bench.pid()));
    assert!(said.err.contains("already running"), "{}", said.err);
    // The first has not felt it.
    assert_eq!(bench.pid_of("a"), pid);
    assert!(!bench.read("state/address").is_empty());
}

#[test]
fn a_daemon_that_was_killed_leaves_the_folder_to_the_next() {
    let mut bench = Bench::up(SLEEPER);
    let orphan = bench.pid_of("a");
    signal(bench.pid(), libc::SIGKILL);
    assert_eq!(bench.ended(), -1);
    bench.start();
    bench.until_state("a", "RUNNING");
    bench.stop();
    if lives(orphan) {
        signal(orphan, libc::SIGKILL);
    }
}

#[test]
fn a_free_port_is_taken_and_written_down() {
    let bench = Bench::up("");
    let address = bench.read("state/address");
    let port: u16 = address.trim().strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert_ne!(port, 0);
    assert!(bench.log().contains(&format!("listen={}", address.trim())));
}

#[test]
fn an_address_that_somebody_removed_is_written_again_by_a_reload() {
    let bench = Bench::up(SLEEPER);
    let address = bench.read("state/address");
    std::fs::remove_file(bench.path("state/address")).unwrap();
    signal(bench.pid(), libc::SIGHUP);
    bench.until("it is there again", |bench| bench.read("state/address") == address);
}

#[test]
fn with_few_descriptors_it_serves_who_comes_and_starts_what_dies() {
    let mut bench = Bench::new(
        "a: {stdout: discard, stderr: discard, cmd: sleep 1000, starttime: 0, numprocs: 5, backoff: 0.05, startretries: unlimited}",
    );
    let command = bench.daemon_through(&["sh", "-c", "ulimit -n 20; exec \"$@\"", "sh"]);
    bench.start_as(command);
    let address = bench.read("state/address").trim().to_owned();
    let all_run = |bench: &Bench| bench.rows().iter().all(|row| row["state"] == "RUNNING");
    bench.until("all run", all_run);
    let first = bench.pid_of("a:0");
    // More than it can hold; some are turned away at once.
    let crowd: Vec<_> = (0..40).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    signal(first, libc::SIGKILL);
    bench.until("the death is seen", |_| !lives(first));
    bench.until("it is started again", |bench| bench.has_new_pid("a:0", first));
    drop(crowd);
    bench.until("it answers", |bench| bench.ctl("version").status == 0);
    bench.until("all run again", |bench| bench.has_new_pid("a:0", first) && all_run(bench));
    // And many clients one after the other leave none behind.
    for _ in 0..30 {
        let mut client = Wire::connect(&address);
        client.hello(bench.read("state/secret").trim());
        assert_eq!(client.ask("version").last().unwrap()["end"]["exit"], 0);
    }
    bench.stop();
}

#[test]
fn with_hardly_any_descriptors_it_says_so_and_with_17_it_works() {
    let mut bench =
        Bench::new("a: {cmd: sleep 1000, starttime: 0, stdout: discard, stderr: discard}");
    let limited = |bench: &Bench, most: u32| {
        let script = format!("ulimit -n {most}; exec \"$@\"");
        bench.daemon_through(&["sh", "-c", &script, "sh"])
    };
    for most in [5, 8, 10, 11, 16] {
        let said = finished(limited(&bench, most));
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains(&format!("only {most} files may be open")), "{said:?}");
    }
    let command = limited(&bench, 17);
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    signal(first, libc::SIGKILL);
    bench.until("it is started again", |bench| bench.has_new_pid("a", first));
    bench.stop();
}

#[test]
fn check_tells_good_from_bad() {
    let bench = Bench::new(SLEEPER);
    let said = bench.check();
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.out.contains("no problems, 1 program, 1 process"), "{said:?}");
    bench.configure("a: {cmd: sleep 1000, numprocs: 0}");
    let said = bench.check();
    assert_eq!((said.status, said.out.as_str()), (2, ""), "{said:?}");
    let place = "taskmaster.yaml:3:34: programs.a.numprocs: must be 1 to 10000";
    assert!(said.err.contains(place), "{said:?}");
    refuses(&bench, 2, place);
    assert!(!bench.path("state").exists(), "nothing was made");
}
