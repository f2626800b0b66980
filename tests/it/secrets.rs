//! The secret stays where it is: no process list, environment, log, file or crash tells it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

use crate::bench::{Bench, children, finished, hmac, is_root, proc, signal};

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
fn a_crash_leaves_no_core_and_programs_have_their_own_limit() {
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

#[test]
fn a_secret_that_is_not_private_is_refused() {
    let bench = Bench::new("");
    bench.write("given", "a-secret-that-a-person-made\n");
    bench.configure_daemon("secret_file: given,", "");
    let given = bench.path("given");
    let mode = |bits| fs::set_permissions(&given, fs::Permissions::from_mode(bits)).unwrap();
    let is_refused = |way_out: &str| {
        let said = finished(bench.daemon_command());
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains(way_out) && !said.err.contains("a-person-made"), "{said:?}");
    };
    for bits in [0o604, 0o620, 0o602, 0o601] {
        mode(bits);
        is_refused("chmod 600 ");
    }
    if is_root() {
        mode(0o600);
        chown(&given, Some(54321), None).unwrap();
        is_refused("chown 0 ");
        chown(&given, Some(0), None).unwrap();
    }
    mode(0o640);
    let mut bench = bench;
    bench.start();
}

#[test]
fn a_secret_that_a_stranger_can_replace_is_refused() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    fs::create_dir(bench.path("app")).unwrap();
    let known = bench.write("known", "a-secret-that-a-person-made\n");
    fs::set_permissions(&known, fs::Permissions::from_mode(0o600)).unwrap();
    chown(bench.path("app"), Some(54321), None).unwrap();
    bench.configure_daemon("secret_file: app/given,", "");
    let given = bench.path("app/given");
    let is_refused = |why: &str| {
        let said = finished(bench.daemon_command());
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains("app/given") && said.err.contains(why), "{said:?}");
    };
    symlink(&known, &given).unwrap();
    is_refused("where 54321 could put another in its place: name what it leads to");
    lchown(&given, Some(54321), None).unwrap();
    is_refused("a symbolic link that neither root nor this user owns");
    fs::remove_file(&given).unwrap();
    fs::hard_link(&known, &given).unwrap();
    is_refused("it has other names as well");
    fs::remove_file(&given).unwrap();
    bench.start();
    bench.stop();
    // What it made there is its own.
    bench.start();
}

#[test]
fn who_listens_in_the_daemons_place_learns_nothing() {
    let bench = Bench::new("");
    bench.write("given", "a-secret-that-a-person-made\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let squatter = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let nonce = "ab".repeat(32);
        let greeting =
            format!("{{\"taskmaster\":\"0.1.0\",\"protocol\":1,\"nonce\":\"{nonce}\"}}\n");
        stream.write_all(greeting.as_bytes()).unwrap();
        let mut hello = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        lines.read_line(&mut hello).unwrap();
        let proof = "00".repeat(32);
        let welcome = format!("{{\"proof\":\"{proof}\",\"pid\":1,\"config\":\"/x\"}}\n");
        stream.write_all(welcome.as_bytes()).unwrap();
        let mut rest = String::new();
        let _ = lines.read_line(&mut rest);
        (hello, rest)
    });
    let words = ["-s", &address, "--secret-file", "given", "stop", "all"];
    let said = bench.ctl_words(&words);
    assert_eq!(said.status, 5, "{said:?}");
    let (hello, rest) = squatter.join().unwrap();
    assert!(!hello.contains("a-person-made"), "{hello}");
    assert_eq!(rest, "", "nothing is asked of it");
}

#[test]
fn a_port_that_is_open_to_the_network_is_warned_of() {
    let mut bench = Bench::new("");
    bench.write("taskmaster.yaml", "daemon: {listen: '0.0.0.0:0', state_dir: state}\n");
    bench.start();
    let log = bench.log();
    assert!(log.contains("open to the network, and its traffic is not encrypted"), "{log}");
}

#[test]
fn who_names_address_and_secret_needs_no_configuration() {
    let bench = Bench::up("a: {cmd: sleep 1000}");
    let (address, secret) = (bench.read("state/address"), bench.path("state/secret"));
    let elsewhere = bench.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let version = |words: &[&str]| {
        let mut command = crate::bench::taskmaster();
        command.current_dir(&elsewhere).args(["shell", "-s", address.trim()]);
        command.arg("--secret-file").arg(&secret).args(words).arg("version");
        finished(command)
    };
    let file = elsewhere.join("taskmaster.yaml");
    fs::create_dir(&file).unwrap();
    assert_eq!(version(&[]).status, 0, "one that cannot be read");
    assert_eq!(version(&["-c", "taskmaster.yaml"]).status, 2, "unless it is named");
    fs::remove_dir(&file).unwrap();
    fs::write(&file, "programs: {}\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(version(&[]).status, 0, "one that is not trusted");
}

#[test]
fn a_secret_that_never_ends_is_not_read_for_ever() {
    let bench = Bench::up("a: {cmd: sleep 1000}");
    let said = bench.ctl("--secret-file /dev/zero version");
    assert_eq!(said.status, 5, "{}", said.err);
    assert!(
        said.err.contains("cannot read the secret /dev/zero: it is larger than"),
        "{}",
        said.err
    );
}
