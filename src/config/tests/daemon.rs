//! The `daemon:` section, read strictly and, for who only wants to reach it, leniently.

use super::*;

fn daemon(section: &str) -> Daemon {
    good(&format!("daemon: {section}")).daemon
}

fn lenient(text: &str) -> Daemon {
    daemon_only(Path::new("tm.yaml"), text, &surroundings())
}

#[test]
fn without_a_word_it_has_its_defaults() {
    let daemon = daemon("");
    assert_eq!(daemon.listen.to_string(), "127.0.0.1:4242");
    let state_dir = Path::new("/home/me/.local/state/taskmaster");
    assert_eq!(daemon.state_dir, state_dir);
    assert_eq!(daemon.secret_file, state_dir.join("secret"));
    assert_eq!(daemon.log.target, LogTarget::File(state_dir.join("taskmaster.log")));
    assert_eq!((daemon.log.level, daemon.log.format), (Level::Info, LogFormat::Text));
    assert_eq!((daemon.log.max_bytes, daemon.log.keep), (1 << 20, 2));
    assert_eq!(daemon.shutdown_time, Duration::from_secs(60));
    assert_eq!((daemon.user, daemon.umask), (None, None));
}

#[test]
fn every_key_can_be_set() {
    let daemon = daemon(
        "{listen: 'localhost:0', state_dir: state, secret_file: s, user: www, umask: 027, \
          shutdown_time: 5s, log: {file: l.log, level: Debug, format: json, max_bytes: 2MB, keep: 0}}",
    );
    assert_eq!(daemon.listen.to_string(), "127.0.0.1:0");
    assert_eq!(daemon.state_dir, Path::new("/srv/state"));
    assert_eq!(daemon.secret_file, Path::new("/srv/s"));
    assert_eq!((daemon.user.as_deref(), daemon.umask), (Some("www"), Some(0o27)));
    assert_eq!(daemon.shutdown_time, Duration::from_secs(5));
    let target = LogTarget::File("/srv/l.log".into());
    let log =
        Log { target, level: Level::Debug, format: LogFormat::Json, max_bytes: 2 << 20, keep: 0 };
    assert_eq!(daemon.log, log);
}

#[test]
fn the_log_may_go_to_stderr_or_syslog() {
    assert_eq!(daemon("{log: {file: stderr}}").log.target, LogTarget::Stderr);
    assert_eq!(daemon("{log: {file: syslog}}").log.target, LogTarget::Syslog);
}

#[test]
fn it_listens_on_addresses_not_on_names() {
    assert_eq!(daemon("{listen: '[::1]:1'}").listen.to_string(), "[::1]:1");
    for (listen, why) in [
        (
            "example.org:1",
            "the daemon resolves no names: write the address of example.org, or localhost",
        ),
        ("::1:1", "an IPv6 address stands in brackets: [::1]:1"),
        ("4242", "must be ADDRESS:PORT, such as 127.0.0.1:4242, not 4242"),
        ("127.0.0.1:", "must be ADDRESS:PORT, such as 127.0.0.1:4242, not 127.0.0.1:"),
        ("127.0.0.1:70000", "the port must be 0 to 65535, in digits, not 70000"),
        ("127.0.0.1:+5", "the port must be 0 to 65535, in digits, not +5"),
        ("localhost:+5", "the port must be 0 to 65535, in digits, not +5"),
        ("[::1]:-5", "the port must be 0 to 65535, in digits, not -5"),
        ("::1:+5", "must be ADDRESS:PORT, such as 127.0.0.1:4242, not ::1:+5"),
        ("localhost", "must be ADDRESS:PORT, such as 127.0.0.1:4242, not localhost"),
    ] {
        assert_eq!(
            problems(&format!("daemon: {{listen: '{listen}'}}")),
            [format!("tm.yaml:1:18: daemon.listen: {why}")]
        );
    }
}

#[test]
fn what_is_wrong_is_told() {
    for (section, why) in [
        ("{log: {level: loud}}", "log.level: must be error, warning, info or debug, not loud"),
        ("{log: {format: xml}}", "log.format: must be text or json, not xml"),
        ("{log: {keep: -1}}", "log.keep: must be 0 to 1000, not -1"),
        (
            "{log: {size: 1}}",
            "log.size: unknown key; there are file, level, format, max_bytes, keep",
        ),
        ("{state_dir: ''}", "state_dir: must not be empty"),
        (
            "{quit_at: never}",
            "quit_at: unknown key; there are listen, state_dir, secret_file, log, user, umask, env, shutdown_time, exit_when",
        ),
    ] {
        let told = problems(&format!("daemon: {section}"));
        assert!(told.len() == 1 && told[0].ends_with(&format!(": daemon.{why}")), "{told:?}");
    }
}

#[test]
fn without_a_home_the_state_needs_a_folder() {
    let nowhere = Surroundings { env: BTreeMap::new(), ..surroundings() };
    let load = |text| load(Path::new("tm.yaml"), &nowhere, &InMemory::new(&[("tm.yaml", text)]));
    let told = load("programs: {}").unwrap_err().to_string();
    assert_eq!(
        told,
        "tm.yaml: daemon.state_dir has no default, as neither XDG_STATE_HOME nor HOME is set: name a folder"
    );
    assert!(load("daemon: {state_dir: /s}").is_ok());
    let daemon = daemon_only(Path::new("tm.yaml"), "", &nowhere);
    assert_eq!(daemon.state_dir, Path::new("/nonexistent/taskmaster"));
}

#[test]
fn programs_run_as_the_daemons_user_where_it_has_one() {
    let told = problems(
        "daemon: {user: www}\nprograms: {a: {cmd: x, user: root}, b: {cmd: x, user: www}}",
    );
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("tm.yaml:2:30: programs.a.user: must be www, the `daemon.user`"),
        "{told:?}"
    );
}

#[test]
fn its_log_is_no_file_that_is_called_as_something_else_is() {
    let target = |file: &str| daemon(&format!("{{log: {{file: {file}}}}}")).log.target;
    for file in ["stderr", "STDERR", "/dev/stderr", "/dev/fd/2"] {
        assert_eq!(target(file), LogTarget::Stderr, "{file}");
    }
    assert_eq!(target("Syslog"), LogTarget::Syslog);
    assert_eq!(target("./none"), LogTarget::File("/srv/none".into()));
    let told = |file: &str| problems(&format!("daemon: {{log: {{file: {file}}}}}")).concat();
    for word in ["stdout", "none", "off", "discard", "inherit", "auto", "NULL"] {
        let word = word.to_ascii_lowercase();
        let why = format!(
            "must be stderr, syslog or the path of a file; one that is called {word} is written ./{word}"
        );
        assert!(told(&format!("'{word}'")).ends_with(&why), "{word}");
    }
    assert!(
        told("/dev/stdout")
            .contains("daemon.log.file: /dev/stdout is a descriptor of the daemon's, and no file")
    );
}

#[test]
fn a_user_that_differs_from_process_to_process_is_not_the_daemons() {
    let told = problems("daemon: {user: www}\nprograms: {a: {cmd: x, user: 'u${index}'}}").concat();
    assert!(told.contains("programs.a.user: must be www, the `daemon.user`"), "{told}");
}

#[test]
fn its_umask_is_the_programs_unless_they_say_so() {
    let config = good("daemon: {umask: 077}\nprograms: {a: {cmd: x}, b: {cmd: x, umask: 022}}");
    let umask = |name: &str| config.programs[name].launch.attributes.umask;
    assert_eq!((umask("a"), umask("b")), (Some(0o77), Some(0o22)));
}

#[test]
fn leniently_what_is_valid_is_taken_and_the_rest_defaulted() {
    let daemon = lenient(
        "daemon: {listen: '127.0.0.1:1', umask: 9, nonsense: 1, state_dir: /s}\nprograms: 7",
    );
    assert_eq!(daemon.listen.to_string(), "127.0.0.1:1");
    assert_eq!((daemon.umask, daemon.state_dir), (None, "/s".into()));
}

#[test]
fn of_broken_text_what_comes_before_the_mistake_counts() {
    let section = "daemon:\n  listen: 127.0.0.1:1\n  state_dir: /s\n";
    for broken in [
        "programs:\n  a: 'open\n",
        "programs:\n  a: [1\n",
        "programs:\n  a: {cmd: x\n  b: y\n",
        "programs:\n\ta: b\n",
        "programs: *nobody\n",
        "programs: !x {}\n",
        "more: 1\nprograms:\n  a: \"open\nx: 1\ny: 2\n",
        "---\nprograms: {}\n",
        "\u{1}",
        "a: b: c\n",
    ] {
        let daemon = lenient(&format!("{section}{broken}"));
        assert_eq!(daemon.listen.to_string(), "127.0.0.1:1", "{broken:?}");
        assert_eq!(daemon.secret_file, Path::new("/s/secret"), "{broken:?}");
    }
    for broken in ["umask: 'x\n", "umask: [1\nprograms: {}\n", "log: {file: x\n  user: y\n"] {
        let daemon = lenient(&format!("{section}  {broken}"));
        assert_eq!(daemon.secret_file, Path::new("/s/secret"), "{broken:?}");
    }
    assert_eq!(lenient("\0\u{1}: [").listen.port(), 4242);
}

#[test]
fn no_time_on_record_is_longer_than_one_that_may_be_configured() {
    let stop = (Signal(15), false, Duration::MAX);
    let departed = Program::departed("old".into(), 1, stop, &daemon(""));
    let longest = parse_duration("87840h").unwrap();
    assert_eq!(departed.policy.stoptime, longest);
}
