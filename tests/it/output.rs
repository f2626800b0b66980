//! Where a program's output goes.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use crate::bench::{Bench, is_root};

/// One program that runs this script once, with these keys.
fn runs(script: &str, keys: &str) -> Bench {
    let bench = Bench::new("");
    bench.write("run.sh", script);
    bench.configure(&format!("a: {{cmd: sh run.sh, starttime: 0, {keys}}}"));
    bench
}

fn link_of(bench: &Bench, fd: u32) -> String {
    bench.until_state("a", "RUNNING");
    let link = fs::read_link(format!("/proc/{}/fd/{fd}", bench.pid_of("a"))).unwrap();
    link.to_str().unwrap().to_owned()
}

#[test]
fn unless_told_otherwise_it_goes_to_the_state_folder() {
    let mut bench = Bench::new("");
    bench.write("run.sh", "echo out $TASKMASTER_INDEX\necho err >&2\n");
    bench.configure("web: {cmd: sh run.sh, starttime: 0, numprocs: 2}\none: {cmd: sh run.sh}");
    bench.start();
    // What a program printed may be in its pipe for a moment after its end.
    for (stream, text) in [("stdout", "out 1\n"), ("stderr", "err\n")] {
        let log = format!("state/log/web:1.{stream}.log");
        bench.until("it has spoken", |bench| bench.read(&log) == text);
    }
    bench.until("one has spoken", |b| b.read("state/log/one.stdout.log").starts_with("out 0\n"));
}

#[test]
fn a_file_is_appended_to() {
    let mut bench = runs("echo $TASKMASTER_PROCESS\n", "stdout: 'sub/out.txt', autostart: false");
    fs::create_dir(bench.path("sub")).unwrap();
    bench.write("sub/out.txt", "before\n");
    bench.start();
    let mut events = bench.follower();
    for _ in 0..2 {
        bench.ctl("start --no-wait a");
        events.until_event("exited", "a");
    }
    assert_eq!(bench.read("sub/out.txt"), "before\na\na\n");
}

#[test]
fn a_process_with_a_new_name_is_read_where_it_prints_until_it_is_started_again() {
    let keys = "stdout: '${name}.out', stderr: discard";
    let mut bench = runs("echo $TASKMASTER_PROCESS\nexec sleep 1000\n", keys);
    bench.start();
    bench.until("it has spoken", |bench| bench.read("a.out") == "a\n");
    bench.configure(&format!("a: {{cmd: sh run.sh, starttime: 0, numprocs: 2, {keys}}}"));
    assert_eq!(bench.ctl("reload").status, 0);
    assert_eq!(bench.ctl("tail a:0").out, "a\n");
    assert!(bench.ctl("status a:0").out.contains("/a.out"));
    assert_eq!(bench.ctl("restart a:0").status, 0);
    bench.until("it has spoken again", |bench| bench.ctl("tail a:0").out == "a:0\n");
}

#[test]
fn a_stopped_process_that_is_captured_no_more_is_read_where_it_is_to_print() {
    let script = "echo captured\nexec sleep 1000\n";
    let mut bench = runs(script, "stdout: {file: a.log}, stderr: discard");
    bench.write("plain", "plain\n");
    bench.start();
    bench.until("it has spoken", |bench| bench.ctl("tail a").out == "captured\n");
    assert_eq!(bench.ctl("stop a").status, 0);
    assert_eq!(bench.ctl("tail a").out, "captured\n");
    for (output, out, err) in [("plain", "plain\n", ""), ("discard", "", "is discarded")] {
        let keys = format!("starttime: 0, stdout: {output}, stderr: discard");
        bench.configure(&format!("a: {{cmd: sh run.sh, {keys}}}"));
        assert_eq!(bench.ctl("reload").status, 0);
        let said = bench.ctl("tail a");
        assert!(said.out == out && said.err.contains(err), "{output}: {} {}", said.out, said.err);
        assert!(bench.ctl("clear a").out.contains("nothing of it is captured"));
    }
}

#[test]
fn stderr_can_go_the_same_way_in_order() {
    let script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done\n";
    let mut bench = runs(script, "stdout: out.txt, stderr: stdout");
    bench.start();
    bench.until_state("a", "EXITED");
    assert_eq!(bench.read("out.txt"), "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
}

#[test]
fn two_streams_may_name_the_same_file() {
    let script = "for n in 1 2 3; do echo out $n; echo err $n >&2; done\n";
    let mut bench = runs(script, "stdout: both.txt, stderr: both.txt");
    bench.start();
    bench.until_state("a", "EXITED");
    assert_eq!(bench.read("both.txt"), "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
}

#[test]
fn it_can_be_thrown_away() {
    for word in ["discard", "null", "none", "/dev/null"] {
        let mut bench = runs("exec sleep 1000\n", &format!("stdout: {word}, stderr: {word}"));
        bench.start();
        assert_eq!(
            (link_of(&bench, 1), link_of(&bench, 2)),
            ("/dev/null".into(), "/dev/null".into())
        );
        assert!(!bench.path("state/log/a.stdout.log").exists(), "{word}");
    }
}

#[test]
fn it_can_be_the_daemons_own() {
    let mut bench = runs("echo out\necho err >&2\n", "stdout: inherit, stderr: inherit");
    let (out, err) = ("daemon.out", "daemon.err");
    let mut command = bench.daemon_command();
    command.stdout(fs::File::create(bench.path(out)).unwrap());
    command.stderr(fs::File::options().append(true).create(true).open(bench.path(err)).unwrap());
    bench.start_as(command);
    bench.until_state("a", "EXITED");
    assert_eq!(bench.read(out), "out\n");
    assert!(bench.read(err).lines().any(|line| line == "err"), "{}", bench.read(err));
}

/// As Supervisor's files say it in a container, where the daemon's own output is a pipe.
#[test]
fn the_devices_of_its_own_output_are_the_daemons() {
    for (keys, out, err) in [
        ("stdout: /dev/stdout, stderr: /dev/stderr", "out\n", &["err"][..]),
        ("stdout: /dev/fd/1, stderr: /dev/stdout", "out\nerr\n", &[]),
    ] {
        let mut bench = runs("echo out\necho err >&2\n", keys);
        let (mut out_pipe, out_end) = std::io::pipe().unwrap();
        let (mut err_pipe, err_end) = std::io::pipe().unwrap();
        let mut command = bench.daemon_command();
        command.stdout(out_end).stderr(err_end);
        bench.start_as(command);
        bench.until_state("a", "EXITED");
        bench.stop();
        let (mut said, mut complained) = (String::new(), String::new());
        out_pipe.read_to_string(&mut said).unwrap();
        err_pipe.read_to_string(&mut complained).unwrap();
        assert_eq!(said, out, "{keys}: {complained}");
        let lines: Vec<&str> = complained.lines().filter(|line| *line == "err").collect();
        assert_eq!(lines, err, "{keys}: {complained}");
    }
}

#[test]
fn stderr_can_follow_an_inherited_stdout() {
    let mut bench = runs("echo err >&2\n", "stdout: inherit, stderr: stdout");
    let mut command = bench.daemon_command();
    command.stdout(fs::File::create(bench.path("daemon.out")).unwrap());
    bench.start_as(command);
    bench.until_state("a", "EXITED");
    assert_eq!(bench.read("daemon.out"), "err\n");
}

/// How the only start of `a` failed.
fn failure(bench: &Bench) -> String {
    bench.until_state("a", "FATAL");
    let description = bench.row("a")["description"].as_str().unwrap().to_owned();
    description.replace(&format!("{}", bench.path("").display()), "")
}

#[test]
fn a_fifo_that_nobody_reads_is_a_failed_start_and_no_wait() {
    let mut bench = runs("echo hello\n", "stdout: pipe, startretries: 0");
    assert!(Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    bench.start();
    let failure = failure(&bench);
    assert!(failure.starts_with("opening stdout pipe: No such device or address, "), "{failure}");
}

#[test]
fn a_fifo_with_a_reader_takes_it() {
    let mut bench = runs("echo hello\n", "stdout: pipe");
    assert!(Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    // Open for both, so that it does not wait for the other side either.
    let mut pipe = fs::File::options().read(true).write(true).open(bench.path("pipe")).unwrap();
    bench.start();
    let mut bytes = [0; 6];
    std::io::Read::read_exact(&mut pipe, &mut bytes).unwrap();
    assert_eq!(&bytes, b"hello\n");
}

#[test]
fn what_is_no_file_is_a_failed_start() {
    let cases = [
        ("stdout: folder", "opening stdout folder: Is a directory, "),
        ("stderr: missing/err.txt", "opening stderr missing/err.txt: No such file or directory, "),
        ("stdout: run.sh/x", "opening stdout run.sh/x: Not a directory, "),
    ];
    for (keys, reason) in cases {
        let mut bench = runs("echo hello\n", &format!("{keys}, startretries: 0"));
        fs::create_dir(bench.path("folder")).unwrap();
        bench.start();
        let failure = failure(&bench);
        assert!(failure.starts_with(reason), "{failure}");
    }
}

#[test]
fn a_link_of_ones_own_is_followed() {
    let mut bench = runs("echo hello\n", "stdout: link");
    symlink("aim.txt", bench.path("link")).unwrap();
    bench.start();
    bench.until_state("a", "EXITED");
    assert_eq!(bench.read("aim.txt"), "hello\n");
}

#[test]
fn a_folder_that_became_a_strangers_link_is_a_failed_start() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    for (name, owner) in [("theirs", 12), ("roots", 0)] {
        fs::create_dir(bench.path(name)).unwrap();
        std::os::unix::fs::chown(bench.path(name), Some(owner), None).unwrap();
    }
    std::os::unix::fs::symlink(bench.path("roots"), bench.path("theirs/log")).unwrap();
    std::os::unix::fs::lchown(bench.path("theirs/log"), Some(12), None).unwrap();
    bench.configure(
        "a: {cmd: sleep 1000, starttime: 0, startretries: 0, user: games, stdout: theirs/log/a}",
    );
    bench.start();
    bench.until_state("a", "FATAL");
    let why = failure(&bench);
    assert!(why.contains("a folder on its way is a symbolic link"), "{why}");
    assert!(!bench.path("roots/a").exists());
}

#[test]
fn a_link_of_somebody_elses_is_not_followed() {
    if !is_root() {
        return;
    }
    let mut bench = runs("echo hello\n", "stdout: link, startretries: 0");
    bench.write("aim.txt", "");
    symlink("aim.txt", bench.path("link")).unwrap();
    std::os::unix::fs::lchown(bench.path("link"), Some(54321), None).unwrap();
    bench.start();
    let failure = failure(&bench);
    let reason = "opening stdout link: it is a symbolic link that neither root nor this user owns";
    assert!(failure.starts_with(reason), "{failure}");
    assert_eq!(bench.read("aim.txt"), "");
}

/// What the owner of a folder does with root's links in it.
#[test]
fn a_link_of_roots_that_a_stranger_can_move_is_not_followed() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    for name in ["app", "roots"] {
        fs::create_dir(bench.path(name)).unwrap();
    }
    bench.write("roots/app.conf", "root's own\n");
    symlink("../roots/app.conf", bench.path("app/b.log")).unwrap();
    symlink("../roots", bench.path("app/logs")).unwrap();
    std::os::unix::fs::chown(bench.path("app"), Some(12), None).unwrap();
    bench.configure(
        "a: {cmd: echo a, starttime: 0, startretries: 0, stdout: app/b.log}\n\
         b: {cmd: echo b, starttime: 0, startretries: 0, stdout: app/logs/app.conf}",
    );
    bench.start();
    for (name, what) in [("a", "it is"), ("b", "a folder on its way is")] {
        bench.until_state(name, "FATAL");
        let why = bench.row(name)["description"].as_str().unwrap().to_owned();
        let app = bench.path("app").canonicalize().unwrap();
        let reason = format!("{what} a symbolic link in {}, where ", app.display());
        assert!(why.contains(&reason) && why.contains("name what it leads to"), "{why}");
    }
    let said = bench.ctl("tail a");
    assert!(said.status != 0 && said.err.contains("a symbolic link in "), "{said:?}");
    assert_eq!(bench.read("roots/app.conf"), "root's own\n");
    // In a sticky folder it stays where it is.
    std::os::unix::fs::chown(bench.path("app"), Some(0), None).unwrap();
    for (bits, state) in [(0o775, "FATAL"), (0o1777, "EXITED")] {
        fs::set_permissions(bench.path("app"), fs::Permissions::from_mode(bits)).unwrap();
        bench.ctl("start --no-wait a b");
        for name in ["a", "b"] {
            bench.until_state(name, state);
        }
    }
    assert_eq!(bench.ctl("tail a").status, 0);
}

#[test]
fn a_strangers_file_where_others_may_put_one_is_a_failed_start() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    fs::create_dir(bench.path("open")).unwrap();
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    for (name, owner) in [("theirs", 54321), ("its", 12), ("roots", 0)] {
        bench.write(&format!("open/{name}"), "");
        std::os::unix::fs::chown(bench.path(&format!("open/{name}")), Some(owner), None).unwrap();
    }
    let runs = |name: &str| {
        let keys = "starttime: 0, startretries: 0, user: '12', group: '12'";
        format!("{name}: {{cmd: echo hello, {keys}, stdout: open/{name}}}\n")
    };
    bench.configure(&["theirs", "its", "roots", "new"].map(runs).concat());
    bench.start();
    bench.until_state("theirs", "FATAL");
    let why = bench.row("theirs")["description"].as_str().unwrap().to_owned();
    let reason =
        "open/theirs: it belongs to 54321, in a folder that anybody may write: move it away";
    assert!(why.contains(reason), "{why}");
    for name in ["its", "roots", "new"] {
        bench.until_state(name, "EXITED");
        assert_eq!(bench.read(&format!("open/{name}")), "hello\n");
    }
    assert_eq!(bench.read("open/theirs"), "");
    // Where nobody else can have put it, it is taken.
    fs::set_permissions(bench.path("open"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.ctl("start --no-wait theirs");
    bench.until_state("theirs", "EXITED");
}
