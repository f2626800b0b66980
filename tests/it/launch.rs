//! What a process gets besides its environment: folder, mask, limits, session, descriptors;
//! and the words in which a launch that failed is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, proc, status_of};

/// Runs one program until it is up, and tells its pid.
fn up(keys: &str) -> (Bench, i32) {
    let bench = Bench::up(&format!("a: {{cmd: sleep 1000, starttime: 0, {keys}}}"));
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    (bench, pid)
}

/// The field of /proc/PID/stat with this number, as proc(5) counts.
fn stat(pid: i32, field: usize) -> String {
    let stat = proc(pid, "stat");
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(field - 3).unwrap().to_owned()
}

fn link(pid: i32, name: &str) -> String {
    fs::read_link(format!("/proc/{pid}/{name}")).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn it_leads_a_session_and_a_group_of_its_own() {
    let (_bench, pid) = up("");
    assert_eq!((stat(pid, 5), stat(pid, 6)), (pid.to_string(), pid.to_string()));
}

#[test]
fn it_has_three_descriptors_and_none_of_the_daemons() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, starttime: 0, stderr: err.txt}");
    // The caller leaves one open, too.
    let command = bench.daemon_through(&["sh", "-c", "exec 7< /dev/null; exec \"$@\"", "sh"]);
    bench.start_as(command);
    // With clients there, and after a reload, there are more that could get through.
    let _clients = [bench.client(), bench.follower(), bench.stranger()];
    bench.configure(
        "a: {cmd: sleep 1000, starttime: 0, stderr: err.txt, nice: 1}\n\
         b: {cmd: sleep 1000, starttime: 0, stdout: inherit, stderr: stdout}",
    );
    assert_eq!(bench.ctl("reload").status, 0);
    for name in ["a", "b"] {
        bench.until_state(name, "RUNNING");
        let pid = bench.pid_of(name);
        let mut numbers: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        numbers.sort();
        assert_eq!(numbers, ["0", "1", "2"], "{name}");
        assert_eq!(link(pid, "fd/0"), "/dev/null");
    }
    bench.stop();
}

#[test]
fn signals_are_as_the_kernel_makes_them_whatever_the_daemon_was_started_with() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, starttime: 0}");
    // As under nohup, or in the background of a script; and with some blocked.
    let ignored = "--ignore-signal=INT,QUIT,HUP,USR2,PIPE,TTOU,WINCH,34,64";
    let command = bench.daemon_through(&["env", ignored, "--block-signal=TERM,USR1,CHLD,35"]);
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    let pid = bench.pid_of("a");
    // 32 and 33 are the C library's own; its posix_spawn(3) leaves them ignored.
    let reserved = 0b11 << 31;
    for set in ["SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd"] {
        let signals = u64::from_str_radix(&status_of(pid, set), 16).unwrap();
        assert_eq!(signals & !reserved, 0, "{set} {signals:x}");
    }
    // And the daemon itself takes the ones that are for it.
    bench.stop();
}

#[test]
fn the_mask_is_the_one_that_is_configured_or_the_daemons() {
    let mut bench = Bench::new("");
    bench.configure_daemon(
        "umask: '027',",
        "a: {cmd: sleep 1000, starttime: 0, umask: 022}\n\
         b: {cmd: sleep 1000, starttime: 0, umask: 0o077}\n\
         c: {cmd: sleep 1000, starttime: 0, umask: \"002\"}\n\
         d: {cmd: sleep 1000, starttime: 0}",
    );
    bench.start();
    for (name, mask) in [("a", "0022"), ("b", "0077"), ("c", "0002"), ("d", "0027")] {
        bench.until_state(name, "RUNNING");
        assert_eq!(status_of(bench.pid_of(name), "Umask"), mask, "{name}");
    }
}

#[test]
fn the_mask_shows_in_the_files_it_makes() {
    let bench = Bench::up(
        "a: {cmd: touch a, starttime: 0, umask: 022}\nb: {cmd: touch b, starttime: 0, umask: 077}",
    );
    for (name, mode) in [("a", 0o644), ("b", 0o600)] {
        bench.until_state(name, "EXITED");
        let made = fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(made, mode, "{name}");
    }
}

#[test]
fn it_runs_in_its_folder_and_a_relative_command_starts_there() {
    let mut bench = Bench::new(
        "a: {cmd: ./run it, workingdir: '${here}/sub', starttime: 0}\n\
         b: {cmd: sleep 1000, starttime: 0}",
    );
    fs::create_dir(bench.path("sub")).unwrap();
    let run = bench.write("sub/run", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
    bench.start();
    bench.until_state("a", "RUNNING");
    bench.until_state("b", "RUNNING");
    let folder = bench.path("sub").canonicalize().unwrap();
    assert_eq!(link(bench.pid_of("a"), "cwd"), folder.to_str().unwrap());
    assert_eq!(link(bench.pid_of("b"), "cwd"), folder.parent().unwrap().to_str().unwrap());
}

#[test]
fn a_command_without_a_slash_is_looked_for_in_its_own_path() {
    let mut bench = Bench::new(
        "a: {cmd: greet, starttime: 0, env: {PATH: '/nonexistent:${here}/bin:/usr/bin:/bin'}}\n\
         b: {cmd: sleep 1000, starttime: 0, inherit_env: false}\n\
         c: {cmd: greet, startretries: 0}",
    );
    fs::create_dir(bench.path("bin")).unwrap();
    let greet = bench.write("bin/greet", "#!/bin/sh\necho hello > greeting\nexec sleep 1000\n");
    fs::set_permissions(greet, fs::Permissions::from_mode(0o755)).unwrap();
    bench.start();
    bench.until("it was found", |bench| bench.read("greeting") == "hello\n");
    bench.until_state("b", "RUNNING");
    bench.until_state("c", "FATAL");
}

#[test]
fn a_failed_launch_says_the_step_and_the_cause() {
    let mut bench = Bench::new("");
    bench.write("plain", "no program\n");
    let odd = bench.write("odd", "\u{1}\u{2}no program either\n");
    fs::set_permissions(odd, fs::Permissions::from_mode(0o755)).unwrap();
    let cases = [
        ("cmd: /no/such", "executing /no/such: No such file or directory"),
        ("cmd: nosuch", "executing nosuch: not found in any folder of PATH"),
        ("cmd: ./plain", "executing ./plain: Permission denied"),
        ("cmd: ./odd", "executing ./odd: Exec format error"),
        ("cmd: /", "executing /: Permission denied"),
        ("cmd: sleep 1, workingdir: /x", "changing directory to /x: No such file or directory"),
        ("cmd: sleep 1, workingdir: /dev/null", "changing directory to /dev/null: Not a directory"),
        ("cmd: sleep 1, user: nosuch", "no such user: nosuch"),
        ("cmd: sleep 1, group: nosuch", "no such group: nosuch"),
    ];
    let program = |(n, (keys, _)): (usize, &(&str, &str))| {
        format!("p{n}: {{{keys}, startretries: 0, starttime: 0}}\n")
    };
    bench.configure(&cases.iter().enumerate().map(program).collect::<String>());
    bench.start();
    for (n, (keys, reason)) in cases.iter().enumerate() {
        let name = format!("p{n}");
        bench.until_state(&name, "FATAL");
        let row = bench.row(&name);
        let description = row["description"].as_str().unwrap();
        assert!(description.starts_with(&format!("{reason}, ")), "{keys}: {description}");
        assert!(bench.log().contains(&format!("reason=\"{reason}; ")), "{keys}\n{}", bench.log());
        assert!(row["exit"].is_null() && row["pid"].is_null(), "{row}");
    }
    let said = bench.ctl("start p0");
    assert_eq!((said.status, said.out), (1, format!("p0: FATAL: {}\n", cases[0].1)));
}

#[test]
fn one_that_cannot_be_executed_is_tried_again() {
    let bench = Bench::up("a: {cmd: ./late, backoff: 0.05, startretries: 1000, starttime: 0}");
    bench.until("it is tried", |bench| bench.row("a")["restarts"].as_i64() > Some(1));
    // Made under another name, so that nobody meets half of it.
    let late = bench.write("late.new", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(&late, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(late, bench.path("late")).unwrap();
    bench.until_state("a", "RUNNING");
}

#[test]
fn limits_are_set_by_their_names() {
    let (_bench, pid) =
        up("limits: {nofile: [64, 128], core: 0, fsize: 1GB, stack: [8MB, unlimited], \
         cpu: unlimited}");
    let limits = proc(pid, "limits");
    let row = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let values: Vec<&str> = line.split_whitespace().take(2).collect();
        (values[0].to_owned(), values[1].to_owned())
    };
    let both = |soft: &str, hard: &str| (soft.to_owned(), hard.to_owned());
    assert_eq!(row("Max open files"), both("64", "128"));
    assert_eq!(row("Max core file size"), both("0", "0"));
    assert_eq!(row("Max file size"), both("1073741824", "1073741824"));
    assert_eq!(row("Max stack size"), both("8388608", "unlimited"));
    assert_eq!(row("Max cpu time"), both("unlimited", "unlimited"));
}

#[test]
fn niceness_and_the_oom_score_are_set() {
    let (_bench, pid) = up("nice: 7, oom_score_adj: 500");
    assert_eq!(stat(pid, 19), "7");
    assert_eq!(proc(pid, "oom_score_adj"), "500\n");
}

#[test]
fn privileges_can_be_forsworn() {
    let (_bench, pid) = up("no_new_privs: true");
    assert_eq!(status_of(pid, "NoNewPrivs"), "1");
    let (bench, pid) = up("");
    // As the daemon has it: it may itself have been started so.
    assert_eq!(status_of(pid, "NoNewPrivs"), status_of(bench.pid(), "NoNewPrivs"));
}

#[test]
fn a_limit_on_the_size_of_files_is_the_programs_and_keeps_it_from_no_start() {
    // The journal is larger than that by then.
    let bench =
        Bench::up("a: {cmd: sleep 1000, limits: {fsize: 1}, starttime: 0, startretries: 0}");
    bench.until_state("a", "RUNNING");
    let limits = proc(bench.pid_of("a"), "limits");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max file size")).unwrap();
    assert_eq!(line.split_whitespace().next(), Some("1"), "{limits}");
    assert_eq!(bench.ctl("restart a").status, 0);
}
