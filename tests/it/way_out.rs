//! Errors that say what to do next, each with its exit status; and help.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use crate::bench::{Bench, Said, is_root, taskmaster};

const PROGRAMS: &str = "clock: {cmd: sleep 1000, starttime: 0}";

/// A shell's command in this folder.
fn run(bench: &Bench, args: &[&str]) -> Said {
    let mut command = taskmaster();
    command.current_dir(bench.path("")).args(args);
    command.output().unwrap().into()
}

/// It failed with this status, and these words are on stderr alone.
fn says(said: &Said, status: i32, words: &[&str]) {
    assert_eq!(said.status, status, "{said:?}");
    assert_eq!(said.out, "", "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "{word:?} is not in {}", said.err);
    }
}

/// One connection to somebody who says this, and what it said to that.
fn somebody(greeting: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(greeting.as_bytes()).unwrap();
        let mut heard = String::new();
        let _ = stream.read_to_string(&mut heard);
        heard
    });
    (address, heard)
}

#[test]
fn where_nobody_listens_it_says_how_to_start_one() {
    let bench = Bench::new(PROGRAMS);
    let start = "start one with: taskmaster daemon -c";
    says(&run(&bench, &["status"]), 7, &["no daemon runs", start]);
    // A port that is free, as it was had and given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    bench.write("taskmaster.yaml", &format!("daemon: {{listen: '{port}', state_dir: state}}\n"));
    let address = port.to_string();
    says(&run(&bench, &["status"]), 7, &["no daemon answers at", &address, "refused", start]);
    let args = ["shell", "-s", &address, "status"];
    says(&run(&bench, &args), 7, &["no daemon answers at", "is that its daemon.listen?"]);
}

#[test]
fn up_advises_nothing_that_it_does_not_take() {
    let bench = Bench::new(PROGRAMS);
    let (address, heard) = somebody("SSH-2.0-OpenSSH_9.2\r\n");
    bench.write("taskmaster.yaml", &format!("daemon: {{listen: '{address}', state_dir: state}}\n"));
    let said = run(&bench, &["up", "-c", "taskmaster.yaml"]);
    says(&said, 7, &["in daemon.listen, or with taskmaster shell -s HOST:PORT"]);
    heard.join().unwrap();
}

#[test]
fn who_is_no_taskmaster_is_told_from_one() {
    let bench = Bench::up(PROGRAMS);
    for (greeting, status, words) in [
        ("SSH-2.0-OpenSSH_9.2\r\n", 7, ["does not greet as a taskmaster daemon", "daemon.listen"]),
        (
            "{\"taskmaster\":\"9.0\",\"protocol\":9}\n",
            6,
            ["speaks protocol 9", "use the shell that came with the daemon"],
        ),
        ("{\"error\":\"too many clients\"}\n", 7, ["turns this shell away", "too many clients"]),
    ] {
        let (address, heard) = somebody(greeting);
        let said = run(&bench, &["shell", "-c", "taskmaster.yaml", "-s", &address, "version"]);
        says(&said, status, &words);
        assert_eq!(heard.join().unwrap(), "", "nothing is told to a stranger");
    }
    // One that plays the greeting of a daemon does not know the secret, and is told no proof but
    // for its own nonce.
    let (address, heard) = somebody(concat!(
        "{\"taskmaster\":\"0.1.0\",\"protocol\":1,\"nonce\":",
        "\"0000000000000000000000000000000000000000000000000000000000000000\"}\n",
        "{\"proof\":\"00\",\"pid\":1,\"config\":\"/x\"}\n"
    ));
    let said = run(&bench, &["shell", "-c", "taskmaster.yaml", "-s", &address, "version"]);
    says(&said, 5, &["does not know the secret", "it is not your daemon", "ss -ltnp"]);
    assert!(!heard.join().unwrap().contains("version"));
}

#[test]
fn a_secret_that_is_wrong_missing_empty_or_not_ours_to_read() {
    let bench = Bench::up(PROGRAMS);
    let with = |secret: &str| {
        run(&bench, &["shell", "-c", "taskmaster.yaml", "--secret-file", secret, "version"])
    };
    bench.write("wrong", "not it\n");
    says(&with("wrong"), 5, &["refuses this shell", "wrong", "another project's", "--secret-file"]);
    bench.write("empty", "\n");
    says(&with("empty"), 5, &["it is empty", "--secret-file"]);
    says(
        &with("missing"),
        5,
        &["its secret is not here", "missing", "another user's", "-c FILE", "name the old one"],
    );
    if !is_root() {
        return;
    }
    // Somebody else may not read it, nor where the port is, and is told whose it is.
    let address = bench.read("state/address").trim().to_owned();
    fs::set_permissions(bench.path("state"), fs::Permissions::from_mode(0o755)).unwrap();
    for (args, file) in [(&["version"][..], "address"), (&["-s", &address, "version"], "secret")] {
        let mut command = taskmaster();
        command.args(["shell", "-c", "taskmaster.yaml"]).args(args).current_dir(bench.path(""));
        command.uid(65534).gid(65534);
        // Where the binary lies out of its reach there is nothing to see.
        let Ok(output) = command.output() else { return };
        says(&Said::from(output), 5, &[file, "Permission denied", "it is root's: become root, or"]);
    }
}

#[test]
fn another_projects_daemon_on_the_port_is_said_to_be_that() {
    let theirs = Bench::up(PROGRAMS);
    let address = theirs.read("state/address").trim().to_owned();
    // It has a secret of its own.
    let ours = Bench::new(PROGRAMS);
    ours.write("taskmaster.yaml", &format!("daemon: {{listen: '{address}', state_dir: state}}\n"));
    for command in ["status", "up"] {
        says(&run(&ours, &[command]), 5, &["a daemon answers at", &address, "-c FILE"]);
    }
    // It shares ours: then it can say which file it runs on.
    fs::create_dir(ours.path("state")).unwrap();
    ours.write("state/secret", &theirs.read("state/secret"));
    let files = [ours.path("taskmaster.yaml"), theirs.path("taskmaster.yaml")];
    let [our_file, their_file] = files.map(|file| file.canonicalize().unwrap());
    let paths = [our_file.to_str().unwrap(), their_file.to_str().unwrap()];
    says(&run(&ours, &["up"]), 1, &["daemon.listen", "daemon.state_dir", paths[0], paths[1]]);
    let said = run(&ours, &["version"]);
    assert_eq!(said.status, 0, "{said:?}");
    assert!(said.err.contains("note: ") && paths.iter().all(|path| said.err.contains(path)));
}

#[test]
fn a_slip_of_the_finger_is_told_the_word() {
    let bench = Bench::up(PROGRAMS);
    says(
        &run(&bench, &["shell", "stats"]),
        2,
        &["unknown command \"stats\"; did you mean status?"],
    );
    says(&run(&bench, &["stats"]), 2, &["did you mean status?"]);
    says(&run(&bench, &["status", "clokc"]), 4, &["no such process: clokc; did you mean clock?"]);
    says(&run(&bench, &["status", "zzz"]), 4, &["no such process: zzz; status lists them all"]);
    says(&run(&bench, &["start"]), 2, &["which processes?", "usage: start SEL..."]);
    says(&run(&bench, &["status", "--jsno"]), 2, &["unknown option --jsno", "usage: status"]);
    says(&run(&bench, &["signal", "HOP", "clock"]), 2, &["HUP"]);
}

#[test]
fn help_is_the_same_wherever_it_is_asked_for() {
    let bench = Bench::new(PROGRAMS);
    let list = run(&bench, &["help"]).out;
    let commands = list.lines().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<&str> = commands.map(|line| line.split(' ').next().unwrap()).collect();
    assert!(commands.len() > 10, "{list}");
    for command in commands {
        let help = run(&bench, &["help", command]);
        assert_eq!((help.status, help.err.as_str()), (0, ""), "{command}");
        assert!(help.out.starts_with(command), "{}", help.out);
        for args in [[command, "--help"], [command, "-h"]] {
            let said = run(&bench, &args);
            let as_shell = run(&bench, &["shell", args[0], args[1]]);
            assert_eq!(as_shell.out, help.out, "{args:?}");
            // As the first word that one is an applet, which needs no daemon.
            assert!(said.out == help.out || command == "check", "{args:?}: {}", said.out);
            assert_eq!((said.status, said.err.as_str()), (0, ""));
        }
        let behind = run(&bench, &["shell", command, "web", "--help"]);
        assert_eq!(behind.out, help.out, "{command}");
    }
    for aliases in [["reload", "update"], ["quit", "exit"], ["log", "maintail"]] {
        let [one, other] = aliases.map(|name| run(&bench, &["help", name]).out);
        assert_eq!(one, other);
    }
}

#[test]
fn what_cannot_be_printed_is_a_failure() {
    let bench = Bench::up(PROGRAMS);
    for args in [&["--help"][..], &["--version"], &["up", "--help"], &["help"], &["status"]] {
        let mut command = taskmaster();
        command.current_dir(bench.path("")).args(args);
        command.stdout(fs::File::options().write(true).open("/dev/full").unwrap());
        let said = Said::from(command.output().unwrap());
        says(&said, 1, &["cannot write to standard output: No space left on device"]);
    }
}

#[test]
fn a_configuration_whose_path_is_no_text_is_refused_by_all() {
    let bench = Bench::new(PROGRAMS);
    let odd = bench.path("").join(OsStr::from_bytes(b"odd\xff.yaml"));
    fs::rename(bench.path("taskmaster.yaml"), &odd).unwrap();
    for words in [&["check"][..], &["daemon"], &["daemon", "-d"], &["status"], &["up"]] {
        let mut command = taskmaster();
        let (applet, rest) = match words {
            ["status"] => ("shell", words),
            [applet, rest @ ..] => (*applet, rest),
            [] => continue,
        };
        command.current_dir(bench.path("")).arg(applet).arg("-c").arg(&odd).args(rest);
        let said = command.output().unwrap().into();
        says(&said, 2, &["odd\\xFF.yaml\", is not UTF-8: rename the file or folder"]);
    }
    // The way out that needs no other name.
    std::os::unix::fs::symlink(&odd, bench.path("taskmaster.yaml")).unwrap();
    assert_eq!(run(&bench, &["check"]).status, 0);
}

#[test]
fn an_included_file_whose_name_is_no_text_is_not_passed_over() {
    let bench = Bench::new(PROGRAMS);
    fs::create_dir(bench.path("conf.d")).unwrap();
    let odd = bench.path("conf.d").join(OsStr::from_bytes(b"odd\xff.yaml"));
    fs::write(odd, "programs: {b: {cmd: sleep 1}}\n").unwrap();
    bench.write("taskmaster.yaml", "include: [conf.d/*.yaml]\n");
    says(&run(&bench, &["check"]), 2, &["conf.d/odd\u{fffd}.yaml", "No such file"]);
}
