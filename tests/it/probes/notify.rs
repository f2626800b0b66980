//! `ready: notify`: sd_notify(3), as programs and systemd-notify(1) speak it.

use serde_json::json;

use super::SAY;
use crate::bench::{Bench, lives};

/// A folder with a program in Python that can notify.
fn python(program: &str, keys: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.write("say.py", SAY);
    bench.write("a.py", &format!("from say import *\n{program}"));
    bench.configure(
        &format!("a: {{cmd: python3 a.py, stdout: '{{out}}', {keys}}}")
            .replace("'{out}'", &format!("'{}', stderr: stdout", bench.path("out").display())),
    );
    bench.start();
    bench
}

#[test]
fn it_is_ready_when_it_says_so_and_its_status_is_shown() {
    let bench = python(
        "say('STATUS=loading\\x1b[31m')\n\
         while not os.path.exists('go'): time.sleep(0.02)\n\
         say('READY=1\\nSTATUS=serving\\nMAINPID=1\\nSTOPPING=0\\nnonsense')\n\
         barrier()\n\
         open('through', 'w').write('1')\n\
         time.sleep(1000)",
        "ready: notify",
    );
    let loading = "loading\u{fffd}[31m; RUNNING once it says READY=1";
    bench.until("its status is shown", |bench| bench.row("a")["description"] == loading);
    assert_eq!(bench.state("a"), "STARTING");
    bench.write("go", "");
    bench.until_state("a", "RUNNING");
    bench.until("its status is shown", |bench| bench.row("a")["description"] == "serving");
    bench.until("the barrier is through", |bench| bench.read("through") == "1");
}

#[test]
fn what_it_was_started_with_counts_though_a_reload_asks_for_another_sign() {
    let program = "say('STATUS=loading')\n\
                   while not os.path.exists('go'): time.sleep(0.02)\n\
                   say('READY=1')\n\
                   time.sleep(1000)";
    let bench = python(program, "ready: notify");
    bench.until("it is at work", |bench| {
        bench.row("a")["description"].as_str().unwrap().starts_with("loading")
    });
    let pid = bench.pid_of("a");
    bench.configure(&format!(
        "a: {{cmd: python3 a.py, stdout: '{}', stderr: stdout, ready: {{fd: 5}}}}",
        bench.path("out").display()
    ));
    assert_eq!(bench.ctl("reload").out, "a: change in place (ready)\n");
    bench.write("go", "");
    bench.until_state("a", "RUNNING");
    assert_eq!(bench.pid_of("a"), pid);
}

#[test]
fn descriptors_that_are_passed_are_closed_at_once_and_do_not_add_up() {
    let bench = python(
        "say('READY=1')\n\
         fds = [os.open('/dev/null', os.O_RDONLY) for _ in range(100)]\n\
         for _ in range(200):\n\
         \x20   say('FDSTORE=1', fds)\n\
         barrier()\n\
         open('through', 'w').write('1')\n\
         time.sleep(1000)",
        "ready: notify",
    );
    bench.until("the barrier is through", |bench| bench.read("through") == "1");
    let open = std::fs::read_dir(format!("/proc/{}/fd", bench.pid())).unwrap().count();
    assert!(open < 60, "{open} descriptors");
}

#[test]
fn who_passes_what_takes_long_to_close_holds_up_nobody() {
    let bench = python(
        "open('name', 'w').write(os.environ['NOTIFY_SOCKET'])\n\
         say('READY=1')\n\
         time.sleep(1000)",
        "ready: notify",
    );
    bench.until_state("a", "RUNNING");
    // A connection whose peer reads nothing, and whose last close(2) waits a minute for it. It lies
    // in the queue of a socket, and that is what is passed: whoever closes the one closes the other.
    bench.write(
        "stranger.py",
        "from say import *\n\
         import struct\n\
         try: s.getsockopt(socket.SOL_SOCKET, 83)\n\
         except OSError: sys.exit(3)\n\
         listener = socket.create_server(('127.0.0.1', 0))\n\
         slow = socket.create_connection(listener.getsockname())\n\
         slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 60))\n\
         slow.setblocking(False)\n\
         try:\n\
         \x20   while True: slow.send(b'x' * 65536)\n\
         except BlockingIOError: pass\n\
         one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         rights = lambda it: [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [it.fileno()]))]\n\
         one.sendmsg([b'x'], rights(slow))\n\
         slow.close()\n\
         try: s.sendmsg([b'STATUS=x'], rights(other), 0, '\\0' + os.environ['NOTIFY_SOCKET'][1:])\n\
         except PermissionError: os._exit(0)\n\
         os.close(other.detach())\n\
         os.close(one.detach())\n\
         time.sleep(1)\n\
         os._exit(1)",
    );
    let mut stranger = std::process::Command::new("python3");
    stranger.current_dir(bench.path("")).env("NOTIFY_SOCKET", bench.read("name"));
    let status = stranger.arg("stranger.py").status().unwrap();
    // Before Linux 6.16 the kernel has no way to refuse it.
    assert!([Some(0), Some(3)].contains(&status.code()), "it was taken: {status}");
    assert_eq!(bench.ctl("version").status, 0);
}

#[test]
fn systemd_notify_is_heard_and_does_not_hang() {
    if !std::path::Path::new("/usr/bin/systemd-notify").exists() {
        return;
    }
    let bench = Bench::up(
        "a: {cmd: [sh, -c, 'systemd-notify --ready --status=up; echo $? > through; sleep 1000'], \
             ready: notify}",
    );
    bench.until_state("a", "RUNNING");
    bench.until("it is through", |bench| bench.read("through") == "0\n");
    bench.until("its status is shown", |bench| bench.row("a")["description"] == "up");
}

#[test]
fn one_that_says_nothing_is_not_ready() {
    let bench = python(
        "say('STATUS=still at it\\nREADY=0\\n READY=1\\nREADY=1 ')\ntime.sleep(1000)",
        "ready: {notify: yes, timeout: 1.5}, startretries: 0",
    );
    bench.until_state("a", "FATAL");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    assert!(why.starts_with("not ready within 1.5s: still at it, "), "{why}");
}

#[test]
fn only_the_process_and_what_descends_from_it_is_heard() {
    let bench = python(
        "open('name', 'w').write(os.environ['NOTIFY_SOCKET'])\ntime.sleep(1000)",
        "ready: notify",
    );
    bench.until("its socket is known", |bench| bench.read("name").starts_with('@'));
    let mut stranger = std::process::Command::new("python3");
    stranger.current_dir(bench.path("")).env("NOTIFY_SOCKET", bench.read("name"));
    // It stays until it was looked at: then its input ends.
    stranger.stdin(std::process::Stdio::piped());
    let mut stranger = stranger
        .args(["-c", "from say import *\nsay('READY=1')\nsys.stdin.read()"])
        .spawn()
        .unwrap();
    bench.until("it is told", |bench| bench.log().contains("is no part of it"));
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
    assert_eq!(bench.state("a"), "STARTING");
}

/// The socket of process `a` if nobody else has taken its name, as anybody can tell.
fn expected_name(bench: &Bench) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let state = bench.path("state").metadata().unwrap();
    format!("taskmaster/{:x}.{:x}/a/0", state.dev(), state.ino())
}

#[test]
fn a_name_that_is_taken_keeps_nobody_from_starting() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let mut bench = Bench::new("");
    bench.write("say.py", SAY);
    bench.write(
        "a.py",
        "from say import *\n\
         open('name', 'w').write(os.environ['NOTIFY_SOCKET'])\n\
         say('READY=1')\n\
         while not os.path.exists('go'): time.sleep(0.02)\n\
         while True:\n\
         \x20   try: say('STATUS=again')\n\
         \x20   except ConnectionRefusedError: pass\n\
         \x20   time.sleep(0.02)",
    );
    bench.configure("a: {cmd: python3 a.py, ready: notify, autostart: false}");
    bench.start();
    let name = SocketAddr::from_abstract_name(expected_name(&bench)).unwrap();
    let squatter = UnixDatagram::bind_addr(&name).unwrap();
    assert_eq!(bench.ctl("start a").status, 0);
    assert_ne!(bench.read("name"), format!("@{}", expected_name(&bench)));
    // The next daemon knows the other name, too.
    let pid = bench.pid_of("a");
    bench.kill();
    bench.start();
    assert_eq!(bench.pid_of("a"), pid);
    bench.write("go", "");
    bench.until("it is heard", |bench| bench.row("a")["description"] == "again");
    drop(squatter);
    assert_eq!(bench.ctl("restart a").status, 0);
    assert_eq!(bench.read("name"), format!("@{}", expected_name(&bench)));
}

#[test]
fn its_socket_stays_open_through_an_upgrade() {
    let bench = python(
        "open('name', 'w').write(os.environ['NOTIFY_SOCKET'])\n\
         said = 0\n\
         while not os.path.exists('go'):\n\
         \x20   say('STATUS=' + str(said))\n\
         \x20   said += 1\n\
         \x20   time.sleep(0.001)\n\
         say('READY=1')\n\
         time.sleep(1000)",
        "ready: {notify: yes, timeout: 600}",
    );
    bench.until("it speaks", |bench| bench.row("a")["description"] != json!("-"));
    for _ in 0..3 {
        assert_eq!(bench.ctl("upgrade").status, 0);
    }
    // Had one word been lost, it would have ended by that.
    bench.write("go", "");
    bench.until_state("a", "RUNNING");
    let row = bench.row("a");
    assert_eq!(row["restarts"], 0, "{row}: {}", bench.read("out"));
}

#[test]
fn what_one_life_left_behind_cannot_speak_for_the_next() {
    // A child in a session of its own outlives its program, and says READY for ever.
    let bench = python(
        "if os.path.exists('second'):\n\
         \x20   time.sleep(1000)\n\
         open('second', 'w')\n\
         if os.fork() == 0:\n\
         \x20   os.setsid()\n\
         \x20   open('apart', 'w')\n\
         \x20   while not os.path.exists('go'): time.sleep(0.02)\n\
         \x20   for n in range(3): say('READY=1')\n\
         \x20   time.sleep(1000)\n\
         while not os.path.exists('apart'): time.sleep(0.02)\n\
         say('READY=1')\n\
         time.sleep(1000)",
        "ready: notify, backoff: 0.05",
    );
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    crate::bench::signal(first, libc::SIGKILL);
    bench.until("it is up again", |bench| bench.has_new_pid("a", first));
    bench.write("go", "");
    bench.until("the old one has spoken", |bench| bench.log().contains("is no part of it"));
    assert_eq!(bench.state("a"), "STARTING");
}

#[test]
fn notify_variables_reach_only_who_is_to_notify() {
    let mut bench = Bench::new("");
    let show = "echo $${NOTIFY_SOCKET-none} $${WATCHDOG_USEC-none} $${WATCHDOG_PID-none} $$";
    bench.configure(&format!(
        "plain: {{cmd: [sh, -c, '{show} > plain; exec sleep 1000']}}\n\
         own: {{cmd: [sh, -c, '{show} > own; exec sleep 1000'], env: {{NOTIFY_SOCKET: mine}}}}\n\
         told: {{cmd: [sh, -c, '{show} > told; exec sleep 1000'], ready: notify}}\n\
         dog: {{cmd: [sh, -c, '{show} > dog; exec sleep 1000'], \
                ready: {{notify: yes, watchdog: 2.5}}}}"
    ));
    let mut command = bench.daemon_command();
    command.env("NOTIFY_SOCKET", "/run/systemd/notify").env("WATCHDOG_USEC", "1");
    command.env("WATCHDOG_PID", "1");
    bench.start_as(command);
    let words = |name: &str| {
        bench.until(name, |bench| bench.read(name).ends_with('\n'));
        bench.read(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(words("plain")[..3], ["none", "none", "none"]);
    assert_eq!(words("own")[..3], ["mine", "none", "none"]);
    let told = words("told");
    assert!(told[0].starts_with("@taskmaster/"), "{told:?}");
    assert_eq!(told[1..3], ["none", "none"]);
    let dog = words("dog");
    assert!(dog[0].starts_with('@') && dog[0] != told[0], "{dog:?}");
    assert_eq!((&*dog[1], &dog[2]), ("2500000", &dog[3]));
}

#[test]
fn a_watchdog_that_is_not_fed_is_unhealthy_and_restarted() {
    let bench = python(
        "say('READY=1')\n\
         while not os.path.exists('stop'):\n\
         \x20   say('WATCHDOG=1')\n\
         \x20   time.sleep(0.05)\n\
         time.sleep(1000)",
        "ready: {notify: yes, watchdog: 2}, backoff: 0",
    );
    bench.until_state("a", "RUNNING");
    let first = bench.pid_of("a");
    let mut events = bench.follower();
    bench.write("stop", "");
    let unhealthy = events.until_event("unhealthy", "a");
    assert_eq!(unhealthy["message"], "unhealthy: no WATCHDOG=1 within 2s");
    assert_eq!(unhealthy["pid"], first);
    std::fs::remove_file(bench.path("stop")).unwrap();
    events.until_event("running", "a");
    assert!(!lives(first));
    let row = bench.row("a");
    assert_eq!(row["restarts"], 1);
}

#[test]
fn a_program_may_trigger_its_watchdog_change_it_and_take_leave_of_it() {
    let trigger = "say('READY=1')\ntime.sleep(0.2)\nsay('WATCHDOG=trigger')\ntime.sleep(1000)";
    let shorter = "say('READY=1')\ntime.sleep(0.2)\nsay('WATCHDOG_USEC=300000')\ntime.sleep(1000)";
    let (watched, plain) = ("ready: {notify: yes, watchdog: 600}", "ready: notify");
    for (program, ready, why) in [
        (trigger, watched, "unhealthy: WATCHDOG=trigger"),
        (trigger, plain, "unhealthy: WATCHDOG=trigger"),
        (shorter, watched, "unhealthy: no WATCHDOG=1 within 0.3s"),
        (shorter, plain, "unhealthy: no WATCHDOG=1 within 0.3s"),
    ] {
        let bench = python(program, &format!("{ready}, autorestart: never"));
        bench.until_state("a", "EXITED");
        let said = bench.row("a")["description"].as_str().unwrap().to_owned();
        assert!(said.starts_with(why), "{said}");
    }
    let bench = python(
        "say('READY=1\\nWATCHDOG_USEC=0')\nbarrier()\ntime.sleep(0.6)\n\
         open('alive', 'w').write('1')\ntime.sleep(1000)",
        "ready: {notify: yes, watchdog: 0.5}, autorestart: never",
    );
    bench.until("it has lived longer than that", |bench| bench.read("alive") == "1");
    assert_eq!(bench.state("a"), "RUNNING");
}

#[test]
fn a_flood_of_notices_holds_up_nobody_else() {
    let bench =
        python("say('READY=1')\nwhile True: say('STATUS=' + str(time.time()))", "ready: notify");
    bench.until_state("a", "RUNNING");
    let mut wire = bench.client();
    for _ in 0..200 {
        assert_eq!(wire.ask("version").last().unwrap()["end"]["exit"], json!(0));
    }
    assert_eq!(bench.ctl("stop a").status, 0);
}
