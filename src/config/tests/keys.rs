//! Every key of a program: what it takes, and what it says to the rest.

use super::*;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn the_classic_sample_loads_unchanged() {
    let config = good(
        r#"programs:
  nginx:
    cmd: "/usr/local/bin/nginx -c /etc/nginx/test.conf"
    numprocs: 1
    umask: 022
    workingdir: /tmp
    autostart: true
    autorestart: unexpected
    exitcodes:
      - 0
      - 2
    startretries: 3
    starttime: 5
    stopsignal: TERM
    stoptime: 10
    stdout: /tmp/nginx.stdout
    stderr: /tmp/nginx.stderr
    env:
      STARTED_BY: taskmaster
      ANSWER: 42
  vogsphere:
    cmd: "/usr/local/bin/vogsphere-worker --no-prefork"
    numprocs: 8
    umask: 077
    workingdir: /tmp
    autostart: true
    autorestart: unexpected
    exitcodes: 0
    startretries: 3
    starttime: 5
    stopsignal: USR1
    stoptime: 10
    stdout: /tmp/vgsworker.stdout
    stderr: /tmp/vgsworker.stderr
"#,
    );
    assert!(config.warnings.list.is_empty());
    let nginx = &config.programs["nginx"];
    let words: Vec<&str> = nginx.launch.cmd.iter().map(plain).collect();
    assert_eq!(words, ["/usr/local/bin/nginx", "-c", "/etc/nginx/test.conf"]);
    assert_eq!(nginx.policy.exitcodes, [Expected::Code(0), Expected::Code(2)]);
    assert_eq!(nginx.launch.attributes.umask, Some(0o22));
    assert_eq!(nginx.launch.attributes.env["ANSWER"], "42".into());
    assert_eq!(nginx.launch.stdout, Output::File("/tmp/nginx.stdout".into()));
    assert_eq!((nginx.policy.starttime, nginx.policy.stoptime), (seconds(5), seconds(10)));
    let vogsphere = &config.programs["vogsphere"];
    assert_eq!((vogsphere.numprocs, vogsphere.launch.attributes.umask), (8, Some(0o77)));
    assert_eq!(vogsphere.policy.stopsignal, Signal(libc::SIGUSR1));
    assert_eq!(vogsphere.policy.exitcodes, [Expected::Code(0)]);
}

#[test]
fn a_program_that_says_nothing_more_than_its_command_has_the_defaults() {
    let p = program("cmd: run");
    assert_eq!((&*p.name, p.numprocs), ("p", 1));
    let policy = &p.policy;
    assert!(policy.autostart && !policy.stopasgroup);
    assert_eq!(policy.autorestart, Autorestart::Unexpected);
    assert_eq!(policy.exitcodes, [Expected::Code(0)]);
    assert_eq!((policy.starttime, policy.stoptime), (seconds(1), seconds(10)));
    assert_eq!(policy.startretries, Some(3));
    assert_eq!(policy.stopsignal, Signal(libc::SIGTERM));
    let backoff = Backoff { initial: seconds(1), max: seconds(60), factor: 2.0, jitter: 0.0 };
    assert_eq!(policy.backoff, backoff);
    let launch = &p.launch;
    assert_eq!(launch.attributes.inherit_env, InheritEnv::All);
    assert!(
        launch.attributes.env.is_empty()
            && launch.attributes.base_env.is_empty()
            && launch.attributes.limits.is_empty()
    );
    assert_eq!((&launch.stdout, &launch.stderr), (&Output::Auto, &Output::Auto));
    assert_eq!(
        (launch.attributes.umask, launch.attributes.nice, launch.attributes.oom_score_adj),
        (None, None, None)
    );
}

#[test]
fn every_key_goes_by_both_its_names() {
    for key in PROGRAM_KEYS {
        let Some(alias) = key.alias else { continue };
        let value = match key.name {
            "env" => "{A: b}",
            "starttime" | "stoptime" => "7",
            _ => "/there",
        };
        let named = |name: &str| program(&format!("{name}: {value}"));
        assert_eq!(named(key.name), named(alias), "{alias}");
    }
}

#[test]
fn every_key_of_the_table_is_read() {
    for key in PROGRAM_KEYS {
        // No key takes a map in a list, so one that is read complains of it.
        let told = problems(&with_keys(&format!("{}: [{{}}]", key.name)));
        assert!(told.iter().any(|line| line.contains(key.name)), "{}: {told:?}", key.name);
    }
}

#[test]
fn a_command_is_split_as_a_shell_would_or_given_as_a_list() {
    let words = |keys: &str| -> Vec<String> {
        program(keys).launch.cmd.iter().map(|word| word.expand(2, "p:2")).collect()
    };
    assert_eq!(words(r#"cmd: 'sh -c "a b" c\ d ""'"#), ["sh", "-c", "a b", "c d", ""]);
    assert_eq!(words("cmd: [sh, -c, 'a b', 022, 1.50]"), ["sh", "-c", "a b", "022", "1.50"]);
    assert_eq!(words("cmd: 'run ${index} ${name}'"), ["run", "2", "p:2"]);
}

#[test]
fn a_command_that_cannot_be_run_is_refused() {
    for (keys, why) in [
        (
            "cmd: \"sh -c 'x\"",
            "cmd: has an open quote: close it, or write a list, one item an argument",
        ),
        ("cmd: ''", "cmd: must not be empty"),
        ("cmd: []", "cmd: must not be empty"),
        ("cmd: [[a]]", "cmd: must be one value, not a list"),
        ("cmd: ", "cmd: has no value: give it one, or remove it"),
        ("cmd: {a: b}", "cmd: must be one value, not a map"),
        ("cmd: [a, [b]]", "cmd: must be one value, not a list"),
        ("cmd: ['', a]", "cmd: begins with an empty word, where the program to run should stand"),
        (
            "cmd: '${EMPTY} a'",
            "cmd: begins with an empty word, where the program to run should stand",
        ),
        (r#"cmd: "a\0b""#, "cmd: must not hold a NUL byte"),
    ] {
        assert_eq!(refused(keys), why, "{keys}");
    }
    assert_eq!(
        problems("programs:\n  p:\n    numprocs: 2\n  q:\n"),
        [
            "tm.yaml:3:5: programs.p: has no `cmd`, the command to run",
            "tm.yaml:4:3: programs.q: has no `cmd`, the command to run"
        ]
    );
}

#[test]
fn counts_have_bounds() {
    assert_eq!(program("numprocs: 10000").numprocs, 10_000);
    for bad in ["0", "10001", "-1", "1.5", "many", "99999999999"] {
        assert_eq!(
            refused(&format!("numprocs: {bad}")),
            format!("numprocs: must be 1 to 10000, not {bad}")
        );
    }
    assert_eq!(program("startretries: 0").policy.startretries, Some(0));
    assert_eq!(program("startretries: unlimited").policy.startretries, None);
    assert_eq!(refused("startretries: -1"), "startretries: must be a count, or unlimited, not -1");
    assert_eq!(program("nice: -20").launch.attributes.nice, Some(-20));
    assert_eq!(refused("nice: 20"), "nice: must be -20 to 19, not 20");
    assert_eq!(program("oom_score_adj: -1000").launch.attributes.oom_score_adj, Some(-1000));
    assert_eq!(refused("oom_score_adj: 1001"), "oom_score_adj: must be -1000 to 1000, not 1001");
}

#[test]
fn truth_is_yes_or_on_too() {
    assert!(!program("autostart: No").policy.autostart);
    assert!(program("stopasgroup: on").policy.stopasgroup);
    assert!(program("no_new_privs: 'yes'").launch.attributes.no_new_privs);
    assert_eq!(refused("autostart: 1"), "autostart: must be true or false, not 1");
}

#[test]
fn autorestart_has_words_and_truths() {
    for (text, meant) in [
        ("always", Autorestart::Always),
        ("true", Autorestart::Always),
        ("never", Autorestart::Never),
        ("off", Autorestart::Never),
        ("Unexpected", Autorestart::Unexpected),
    ] {
        assert_eq!(program(&format!("autorestart: {text}")).policy.autorestart, meant);
    }
    let why = "autorestart: must be always, never or unexpected, not maybe";
    assert_eq!(refused("autorestart: maybe"), why);
}

#[test]
fn exitcodes_are_codes_and_signals() {
    let codes = |text: &str| program(&format!("exitcodes: {text}")).policy.exitcodes.clone();
    assert_eq!(codes("7"), [Expected::Code(7)]);
    assert_eq!(codes("term"), [Expected::Signal(Signal(libc::SIGTERM))]);
    assert_eq!(
        codes("[0, SIGHUP, 0]"),
        [Expected::Code(0), Expected::Signal(Signal(libc::SIGHUP))]
    );
    assert_eq!(codes("[]"), []);
    assert_eq!(
        refused("exitcodes: 256"),
        "exitcodes: must be a code 0 to 255, a signal's name, or a list of them, not 256"
    );
    assert_eq!(
        refused("exitcodes: '0,2'"),
        "exitcodes: must be a code 0 to 255, a signal's name, or a list of them, not 0,2"
    );
    assert_eq!(
        refused("exitcodes: TERM INT"),
        "exitcodes: must be a code 0 to 255, a signal's name, or a list of them, not TERM INT"
    );
    assert_eq!(
        refused("exitcodes: [0, TREM]"),
        "exitcodes: no signal is called TREM; did you mean TERM?"
    );
}

#[test]
fn times_and_signals_say_what_is_wrong() {
    assert_eq!(program("starttime: 0").policy.starttime, Duration::ZERO);
    assert_eq!(program("stoptime: 1.5").policy.stoptime, Duration::from_millis(1500));
    assert!(refused("stoptime: soon").starts_with("stoptime: must be a duration such as"));
    assert_eq!(program("stopsignal: 10").policy.stopsignal, Signal(10));
    assert_eq!(refused("stopsignal: 0"), "stopsignal: signals go from 1 to 64, 0 is none");
}

#[test]
fn backoff_is_a_delay_or_a_map() {
    let backoff = |text: &str| {
        let backoff = program(&format!("backoff: {text}")).policy.backoff;
        (backoff.initial.as_millis(), backoff.max.as_millis(), backoff.factor, backoff.jitter)
    };
    assert_eq!(backoff("2s"), (2000, 2000, 1.0, 0.0));
    assert_eq!(backoff("{}"), (1000, 60_000, 2.0, 0.0));
    assert_eq!(
        backoff("{initial: 500ms, max: 5s, factor: 1.5, jitter: 0.1}"),
        (500, 5000, 1.5, 0.1)
    );
    assert_eq!(backoff("{initial: 5m}"), (300_000, 300_000, 2.0, 0.0), "max gives way");
    assert_eq!(backoff("{max: 200ms}"), (200, 200, 2.0, 0.0), "initial gives way");
    for (text, why) in [
        ("{initial: 5, max: 4}", "backoff.max: must not be less than `initial`"),
        ("{factor: 0.5}", "backoff.factor: must be a number of 1 or more, not 0.5"),
        ("{factor: .inf}", "backoff.factor: must be a number of 1 or more, not .inf"),
        ("{jitter: 2}", "backoff.jitter: must be a number from 0 to 1, not 2"),
        ("{jiter: 2}", "backoff.jiter: unknown key; did you mean `jitter`?"),
        ("[1]", "backoff: must be a map, lines of `key: value`"),
    ] {
        assert_eq!(refused(&format!("backoff: {text}")), why);
    }
}

#[test]
fn supervisors_keys_without_a_counterpart_name_the_way_out() {
    for (keys, why) in [
        ("redirect_stderr: true", "redirect_stderr: unknown key; write `stderr: stdout`"),
        ("killasgroup: true", "killasgroup: unknown key; leave it out: SIGKILL always goes"),
        ("stdout_logfile_maxbytes: 1MB", "write `stdout: {file: PATH, max_bytes: 50MB}`"),
        ("workdir: /x", "workdir: unknown key; did you mean `workingdir`?"),
        ("healthcheck: x", "healthcheck: unknown key; did you mean `health`?"),
    ] {
        assert!(refused(keys).contains(why), "{keys}: {}", refused(keys));
    }
}

#[test]
fn env_values_are_taken_as_they_are_written() {
    let env = &program("env: {A: 1.50, B: 022, C: yes, D: , E: ~, F: 'null', G: 0x1F, H: true}")
        .launch
        .attributes
        .env;
    let values: Vec<&str> = env.values().map(plain).collect();
    assert_eq!(values, ["1.50", "022", "yes", "", "", "null", "0x1F", "true"]);
    for (keys, why) in [
        ("env: {'A=B': 1}", "env.A=B: a variable's name must not hold `=`"),
        ("env: {'': 1}", "env.'': a variable's name must not be empty"),
        ("env: {A: [1]}", "env.A: must be one value, not a list"),
        ("env: {A: \"\\0\"}", "env.A: must not hold a NUL byte"),
        ("env: [A=1]", "env: must be a map, lines of `key: value`"),
    ] {
        assert_eq!(refused(keys), why);
    }
    assert!(program("env: ").launch.attributes.env.is_empty());
}

#[test]
fn env_files_are_paths_that_may_be_optional() {
    let files = |text: &str| -> Vec<(String, bool)> {
        let files = program(&format!("env_file: {text}")).launch.attributes.env_file.clone();
        files.iter().map(|file| (plain(&file.path).to_owned(), file.optional)).collect()
    };
    assert_eq!(files("a.env"), [("/srv/a.env".to_owned(), false)]);
    assert_eq!(files("[/a, '-b']"), [("/a".to_owned(), false), ("/srv/b".to_owned(), true)]);
    assert_eq!(refused("env_file: '-'"), "env_file: must not be empty");
}

#[test]
fn what_is_inherited_is_all_nothing_or_some() {
    let inherited =
        |text: &str| program(&format!("inherit_env: {text}")).launch.attributes.inherit_env.clone();
    assert_eq!(inherited("true"), InheritEnv::All);
    assert_eq!(inherited("no"), InheritEnv::Nothing);
    assert_eq!(
        inherited("[PATH, HOME]"),
        InheritEnv::Only(["HOME", "PATH"].map(str::to_owned).into())
    );
    assert_eq!(inherited("[]"), InheritEnv::Nothing);
    assert_eq!(
        refused("inherit_env: PATH"),
        "inherit_env: must be true or false, not PATH; or a list of names"
    );
}

#[test]
fn users_folders_and_masks_are_kept_as_they_are_written() {
    let p = program("user: 1000, group: www, workingdir: rel/dir, umask: 0o27");
    assert_eq!(p.launch.attributes.user, Some("1000".into()));
    assert_eq!(p.launch.attributes.group.as_deref(), Some("www"));
    assert_eq!(p.launch.attributes.workingdir, Some("rel/dir".into()));
    assert_eq!(p.launch.attributes.umask, Some(0o27));
    assert_eq!(
        refused("umask: 888"),
        "umask: must be an octal mask such as 022, 0 to 777, not 888"
    );
    assert_eq!(refused("user: ''"), "user: must not be empty");
    assert_eq!(refused("group: [a]"), "group: must be one value, not a list");
    assert_eq!(refused("workingdir: ''"), "workingdir: must not be empty");
}

#[test]
fn limits_go_by_their_names() {
    let limits =
        program("limits: {nofile: 65536, CORE: 0, as: 1GB, cpu: unlimited, nproc: [1, 2]}")
            .launch
            .attributes
            .limits
            .clone();
    let expected = [
        ("as", (Some(1 << 30), Some(1 << 30))),
        ("core", (Some(0), Some(0))),
        ("cpu", (None, None)),
        ("nofile", (Some(65536), Some(65536))),
        ("nproc", (Some(1), Some(2))),
    ];
    let limits: Vec<_> = limits.into_iter().map(|(name, l)| (name, (l.soft, l.hard))).collect();
    assert_eq!(limits, expected);
    for (keys, why) in [
        ("limits: {nofiles: 1}", "limits.nofiles: unknown limit; did you mean `nofile`?"),
        ("limits: {core: 1, CORE: 2}", "limits.core: is there twice, first in line 1"),
        ("limits: {core: [1]}", "limits.core: must have two values, [soft, hard]"),
        (
            "limits: {core: [2, 1]}",
            "limits.core: the soft limit, the first, must not be above the hard one",
        ),
        (
            "limits: {core: x}",
            "limits.core: must be a number, a size such as 1GB, unlimited, or [soft, hard], not x",
        ),
    ] {
        assert_eq!(refused(keys), why);
    }
}

#[test]
fn what_is_wrong_with_the_defaults_is_told_once_whoever_uses_them() {
    let defaults = "defaults: {cmd: \"a 'b\", ready: bogus, stdout: [x], env: {A: '${NOPE}'}, \
                    workingdir: '${', health: {exec: []}}";
    let programs = ["{}", "{p: {}}", "{p: {}, q: {}, r: {cmd: x, stdout: auto, ready: notify}}"];
    for programs in programs {
        let told = problems(&format!("{defaults}\nprograms: {programs}"));
        let keys = [
            "cmd: has an open",
            "ready: ",
            "stdout: must",
            "env.A: nothing",
            "workingdir: ${ l",
            "health.exec: ",
        ];
        assert_eq!(told.len(), keys.len(), "{told:?}");
        for key in keys {
            let key = format!(": defaults.{key}");
            assert_eq!(told.iter().filter(|told| told.contains(&key)).count(), 1, "{key} {told:?}");
        }
    }
}

#[test]
fn what_a_program_gives_the_defaults_is_not_missed_in_them() {
    let text = "daemon: {env: {D: ''}}\n\
                defaults: {cmd: 'x ${X}', workingdir: '${D}', user: '${program}', stderr: /dev/stdout, \
                env_file: '${E}', ready: {exec: '${D}'}}\n";
    good(&format!("{text}programs: {{}}"));
    let program = "{env: {X: 1, D: /d, E: /e}, stdout: inherit}";
    let config = good(&format!("{text}programs: {{p: {program}}}"));
    assert_eq!(config.programs["p"].launch.stderr, Output::Stdout);
    let told = problems(&format!("{text}programs: {{p: {{env: {{D: /d, E: /e}}}}}}"));
    assert_eq!(told.len(), 2, "what it does not give: {told:?}");
}
