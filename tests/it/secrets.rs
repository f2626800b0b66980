//! The secret stays where it is: no process list, environment, log, file or crash tells it.

use std::fs;

use crate::bench::{Bench, children, hmac, proc, signal};

#[test]
fn the_secret_is_in_no_process_list_no_environment_and_no_log() {
    let mut bench = Bench::new(
        "a: {cmd: [sh, -c, 'env; exec sleep 1000'], starttime: 0}\n\
         b: {cmd: [sh, -c, 'exit 1'], startretries: 0}",
    );
    bench.write("given", "a-secret-that-a-person-made\n");
    fs::set_permissions(bench.path("given"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    bench.configure_daemon(
        "secret_file: given, log: {level: debug},",
        "a: {cmd: [sh, -c, 'env; exec sleep 1000'], starttime: 0}\n\
         b: {cmd: nothing-of-this-name, startretries: 0}",
    );
    bench.start();
    let secret = bench.read("given").trim().to_owned();
    bench.until_state("a", "RUNNING");
    bench.until_state("b", "FATAL");
    // One who says it in clear, one who proves it and one who does not know it.
    let mut wire = bench.stranger();
    wire.send(&format!("{{\"protocol\":1,\"nonce\":\"{secret}\",\"proof\":\"{secret}\"}}"));
    let refusal = wire.line().unwrap().to_string();
    let welcome = bench.ctl_words(&["--secret-file", "given", "status"]).out;
    assert!(!welcome.is_empty());
    let mut told = vec![refusal, welcome, bench.log()];
    let mut pids = children(bench.pid());
    pids.push(bench.pid());
    assert!(pids.len() >= 3, "daemon, logger and program");
    for pid in pids {
        told.extend(["cmdline", "environ", "comm"].map(|name| proc(pid, name)));
    }
    bench.until("a has printed", |bench| bench.read("state/log/a.stdout.log").contains("PATH="));
    told.push(bench.read("state/log/a.stdout.log"));
    let digest = hmac(&secret, "");
    for text in told {
        assert!(!text.contains(&secret) && !text.contains(&digest), "{text}");
    }
}

/// The soft limit of core files, as /proc/PID/limits has it.
fn core(pid: i32) -> String {
    let limits = proc(pid, "limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().nth(4).unwrap().to_owned()
}

#[test]
fn a_crash_of_the_daemon_leaves_no_core_and_programs_have_the_limit_it_was_started_with() {
    let mut bench = Bench::new("a: {cmd: sleep 1000, starttime: 0}");
    let script = "ulimit -Sc \"$(ulimit -Hc)\"; ulimit -Sc > was; exec \"$@\"";
    let command = bench.daemon_through(&["sh", "-c", script, "sh"]);
    bench.start_as(command);
    bench.until_state("a", "RUNNING");
    let program = bench.pid_of("a");
    // In sh the unit is 512 bytes.
    let was = match bench.read("was").trim() {
        "unlimited" => "unlimited".to_owned(),
        blocks => (blocks.parse::<u64>().unwrap() * 512).to_string(),
    };
    assert_eq!(core(program), was);
    assert!(["0", "1"].contains(&core(bench.pid()).as_str()));
    for pid in children(bench.pid()).into_iter().filter(|pid| *pid != program) {
        assert!(["0", "1"].contains(&core(pid).as_str()), "the logger");
    }
    signal(bench.pid(), libc::SIGABRT);
    assert_eq!(bench.ended(), -1);
    let cores = fs::read_dir(bench.path(".")).unwrap();
    let names = cores.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.starts_with("core")));
    signal(program, libc::SIGKILL);
}
