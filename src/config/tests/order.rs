//! `depends_on`, `ready`, `health`, `max_restarts`, `critical` and `exit_when`.

use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Programs a, b, c and so on, each with what it depends on.
fn chain(depends: &[&str]) -> String {
    let mut text = "programs:\n".to_owned();
    for (name, on) in ('a'..).zip(depends) {
        let on = if on.is_empty() { String::new() } else { format!(", depends_on: {on}") };
        text += &format!("  {name}: {{cmd: run{on}}}\n");
    }
    text
}

#[test]
fn a_dependency_is_a_name_or_says_more() {
    let config = good(&chain(&["", "a", "[a, b]"]));
    let of = |program: &str| config.programs[program].policy.depends_on.clone();
    let dependency = |on, restart_with| Dependency { on, restart_with };
    let plain = dependency(Condition::Ready, false);
    assert_eq!(of("b"), BTreeMap::from([(Rc::from("a"), plain)]));
    assert_eq!(of("c"), BTreeMap::from([(Rc::from("a"), plain), (Rc::from("b"), plain)]));
    let said = good(&chain(&["", "", "", "{a: started, b: Completed, c: {restart: with}}"]));
    assert_eq!(
        said.programs["d"].policy.depends_on,
        BTreeMap::from([
            (Rc::from("a"), dependency(Condition::Started, false)),
            (Rc::from("b"), dependency(Condition::Completed, false)),
            (Rc::from("c"), dependency(Condition::Ready, true)),
        ])
    );
}

#[test]
fn what_it_cannot_depend_on_is_told() {
    for (on, why) in [
        ("[bb]", ":3:30: programs.b.depends_on: no program is called bb; did you mean `b`?"),
        ("xyz", ":3:29: programs.b.depends_on: no program is called xyz"),
        ("b", ":3:29: programs.b.depends_on: b cannot depend on itself"),
        ("{a: up}", ":3:33: programs.b.depends_on.a: must be started, ready or completed, not up"),
        (
            "{a: {restart: no}}",
            ":3:43: programs.b.depends_on.a.restart: must be with, or left out, not no",
        ),
        (
            "{a: {with: restart}}",
            ":3:34: programs.b.depends_on.a.with: unknown key; there are on, restart",
        ),
    ] {
        assert_eq!(problems(&chain(&["", on])), [format!("tm.yaml{why}")], "{on}");
    }
}

#[test]
fn a_circle_is_named_in_order_from_where_it_is_said_first() {
    assert_eq!(
        problems(&chain(&["[b, d]", "c", "{d: started, a: ready}", "", "f", "e"])),
        [
            "tm.yaml:2:30: programs.a.depends_on: goes in a circle: a needs b, b needs c, c needs a",
            "tm.yaml:6:29: programs.e.depends_on: goes in a circle: e needs f, f needs e",
        ]
    );
    // The one that the file says first begins, whatever it is called.
    assert_eq!(
        problems("programs: {z: {cmd: x, depends_on: a}, a: {cmd: x, depends_on: z}}"),
        ["tm.yaml:1:36: programs.z.depends_on: goes in a circle: z needs a, a needs z"]
    );
    let mut long: Vec<String> = ('b'..'z').map(String::from).collect();
    long.push("a".to_owned());
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let [told] = &problems(&chain(&long))[..] else { panic!() };
    assert!(told.ends_with("j needs k and so on, 15 more"), "{told}");
}

#[test]
fn diamonds_and_long_chains_are_no_circles() {
    assert_eq!(problems(&chain(&["", "a", "a", "[b, c]"])), [""; 0]);
    let mut text = "programs:\n  p0: {cmd: x}\n".to_owned();
    for number in 1..5000 {
        text += &format!("  p{number}: {{cmd: x, depends_on: p{}}}\n", number - 1);
    }
    assert_eq!(problems(&text), [""; 0]);
}

#[test]
fn what_never_completes_is_a_warning() {
    let text =
        "programs: {a: {cmd: x, autorestart: always}, b: {cmd: x, depends_on: {a: completed}}}";
    let config = good(text);
    let [warning] = &config.warnings.list[..] else { panic!("{:?}", config.warnings) };
    assert_eq!(
        warning.to_string(),
        "tm.yaml:1:71: programs.b.depends_on.a: a is started again whenever it ends: it never \
         completes"
    );
}

#[test]
fn ready_is_told_in_one_of_four_ways() {
    let ready = |text: &str| program(&format!("ready: {text}")).policy.ready.clone().unwrap();
    let plain = |how| Ready { how, timeout: seconds(60), watchdog: None };
    assert_eq!(ready("notify"), plain(ReadyHow::Notify));
    assert_eq!(ready("{notify: }"), plain(ReadyHow::Notify));
    let watched = Ready { how: ReadyHow::Notify, timeout: seconds(5), watchdog: Some(seconds(30)) };
    assert_eq!(ready("{notify: yes, timeout: 5, watchdog: 30s}"), watched);
    assert_eq!(ready("{fd: 3}"), plain(ReadyHow::Fd(3)));
    let address = "127.0.0.1:80".parse().unwrap();
    assert_eq!(ready("{tcp: 'localhost:80'}"), plain(ReadyHow::Tcp(address)));
    let ReadyHow::Exec(words) = ready("{exec: 'test -e \"${name} x\"'}").how else { panic!() };
    let words: Vec<String> = words.iter().map(|word| word.expand(1, "p:1")).collect();
    assert_eq!(words, ["test", "-e", "p:1 x"]);
}

#[test]
fn health_is_asked_in_one_of_three_ways() {
    let health = |text: &str| program(&format!("health: {text}")).policy.health.clone().unwrap();
    let Health { how, interval, timeout, retries, start_period } = health("{tcp: '[::1]:80'}");
    assert_eq!(how, HealthHow::Tcp("[::1]:80".parse().unwrap()));
    assert_eq!((interval, timeout), (seconds(10), seconds(5)));
    assert_eq!((retries, start_period), (3, Duration::ZERO));
    let said = health(
        "{http: 'http://localhost:81/up', interval: 1, timeout: 2, retries: 4, start_period: 5}",
    );
    let url = Url {
        address: "127.0.0.1:81".parse().unwrap(),
        host: "localhost:81".to_owned(),
        path: "/up".to_owned(),
    };
    assert_eq!(said.how, HealthHow::Http(url));
    assert_eq!((said.interval, said.timeout), (seconds(1), seconds(2)));
    assert_eq!((said.retries, said.start_period), (4, seconds(5)));
    assert_eq!(health("{exec: [a, b]}").how, HealthHow::Exec(vec!["a".into(), "b".into()]));
}

#[test]
fn what_cannot_be_asked_is_told() {
    for (keys, why) in [
        ("ready: soon", "ready: must be notify, or a map with fd, tcp or exec, not soon"),
        ("ready: {timeout: 5}", "ready: does not say how: it needs one of notify, fd, tcp, exec"),
        (
            "ready: {fd: 3, exec: a}",
            "ready.exec: is one too many: there is `fd` already, and only one of notify, fd, tcp, \
             exec counts",
        ),
        ("ready: {notify: no}", "ready.notify: must be yes, or left out, not no"),
        (
            "ready: {fd: 2}",
            "ready.fd: must be 3 or more, not 2: 0, 1 and 2 are standard input, output and error",
        ),
        ("ready: {fd: x}", "ready.fd: must be 3 to 1023, not x"),
        ("ready: {fd: 3, watchdog: 5}", "ready.watchdog: goes with `notify` only"),
        ("ready: {fd: 3, timeout: 0}", "ready.timeout: must be more than 0, not 0"),
        (
            "ready: {tcp: 'db:5432'}",
            "ready.tcp: the daemon resolves no names: write the address of db, or localhost, or \
             ask it by `exec`",
        ),
        (
            "health: {http: 'http://127.0.0.1:800${index}/'}",
            "health.http: is one address for all processes: for one of its own ask by `exec`, \
             where ${...} is expanded",
        ),
        ("ready: {tcp: '127.0.0.1:0'}", "ready.tcp: must have a port, 1 to 65535, not 0"),
        ("ready: {exec: ''}", "ready.exec: must not be empty"),
        ("health: {}", "health: does not say how: it needs one of exec, tcp, http"),
        ("health: yes", "health: must be a map, lines of `key: value`"),
        ("health: {exec: a, interval: 0}", "health.interval: must be more than 0, not 0"),
        ("health: {exec: a, retries: 0}", "health.retries: must be 1 to 1000, not 0"),
        (
            "health: {exec: 'a \"'}",
            "health.exec: has an open quote: close it, or write a list, one item an argument",
        ),
        ("max_restarts: 5", "max_restarts: must be a map, lines of `key: value`"),
        (
            "max_restarts: {count: 5}",
            "max_restarts: must have both, as {count: 5, within: 10m}: so many restarts in that \
             time",
        ),
        ("critical: 1", "critical: must be true or false, not 1"),
    ] {
        assert_eq!(refused(keys), why, "{keys}");
    }
}

#[test]
fn restarts_have_a_limit_within_a_time() {
    let limit = program("max_restarts: {count: 5, within: 10m}").policy.max_restarts;
    assert_eq!(limit, Some(MaxRestarts { count: 5, within: seconds(600) }));
    assert_eq!(program("critical: yes").policy.max_restarts, None);
    assert!(program("critical: yes").policy.critical);
}

#[test]
fn the_daemon_may_end_by_itself() {
    assert_eq!(good("daemon: {}").daemon.exit_when, ExitWhen::Never);
    assert_eq!(good("daemon: {exit_when: all_exited}").daemon.exit_when, ExitWhen::AllExited);
    assert_eq!(
        problems("daemon: {exit_when: done}"),
        ["tm.yaml:1:21: daemon.exit_when: must be never or all_exited, not done"]
    );
}

#[test]
fn a_new_dependency_shows_and_restarts_nothing() {
    let changes = diff(&good(&chain(&["", ""])), &good(&chain(&["", "a"])));
    assert_eq!(changes.changed[0].keys, ["depends_on"]);
    assert!(!changes.changed[0].restarts);
}
