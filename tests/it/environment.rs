//! The environment of a process, layer over layer, and what `${...}` means.

use std::collections::BTreeMap;

use crate::bench::{Bench, executed, is_root};

type Env = BTreeMap<String, String>;

/// What `/proc/PID/environ` of a running process holds.
fn environment(bench: &Bench, name: &str) -> Env {
    bench.until_state(name, "RUNNING");
    let text = executed(bench.pid_of(name), "environ");
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A daemon with these variables of its own besides PATH.
fn start_with(bench: &mut Bench, variables: &[(&str, &str)]) {
    let mut command = bench.daemon_command();
    command.envs(variables.iter().copied());
    bench.start_as(command);
}

#[test]
fn each_layer_covers_the_one_before() {
    let mut bench = Bench::new("");
    bench.write("vars", "C=file\nD=file\nE=file\nTASKMASTER_INDEX=file\n");
    bench.configure_daemon(
        "env: {B: daemon, C: daemon, D: daemon, E: daemon, N: 12, T: yes},",
        "a:\n  cmd: sleep 1000\n  starttime: 0\n  env_file: vars\n  \
         env: {D: own, E: '${E}+own', TASKMASTER_PROCESS: mine, Z: 007}",
    );
    let inherited = [("A", "inherited"), ("B", "inherited"), ("C", "inherited"), ("E", "x")];
    start_with(&mut bench, &inherited);
    let env = environment(&bench, "a");
    let expected = [
        ("A", "inherited"),
        ("B", "daemon"),
        ("C", "file"),
        ("D", "own"),
        // The layers outside of `env`, and an env file is not seen.
        ("E", "daemon+own"),
        ("N", "12"),
        ("T", "yes"),
        ("Z", "007"),
        ("TASKMASTER_PROGRAM", "a"),
        ("TASKMASTER_PROCESS", "a"),
        ("TASKMASTER_INDEX", "0"),
    ];
    for (key, value) in expected {
        assert_eq!(env.get(key).map(String::as_str), Some(value), "{key} in {env:?}");
    }
}

#[test]
fn the_account_of_a_user_lies_below_the_programs_own_variables() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    bench.write("vars", "HOME=file\nSHELL=file\n");
    bench.configure(
        "a: {cmd: sleep 1000, starttime: 0, user: daemon, env_file: vars, env: {SHELL: own}}",
    );
    start_with(&mut bench, &[("HOME", "/root"), ("USER", "root"), ("LOGNAME", "root")]);
    let env = environment(&bench, "a");
    let account = nix::unistd::User::from_name("daemon").unwrap().unwrap();
    assert_eq!(env["HOME"], account.dir.to_str().unwrap());
    assert_eq!((env["USER"].as_str(), env["LOGNAME"].as_str()), ("daemon", "daemon"));
    assert_eq!(env["SHELL"], "own");
}

#[test]
fn what_is_inherited_can_be_nothing_or_a_few() {
    let mut bench = Bench::new("");
    let program = |name: &str, inherit: &str| {
        format!("{name}: {{cmd: sleep 1000, starttime: 0, inherit_env: {inherit}, env: {{X: 1}}}}")
    };
    let programs =
        [program("every", "true"), program("none", "false"), program("few", "[ONE, NOSUCH]")];
    bench.configure_daemon("env: {D: daemon},", &programs.join("\n"));
    start_with(&mut bench, &[("ONE", "1"), ("TWO", "2")]);
    let keys = |name: &str| {
        let env = environment(&bench, name);
        env.into_keys().filter(|k| !k.starts_with("TASKMASTER_")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys("every"), "D ONE PATH TWO X");
    assert_eq!(keys("none"), "D X");
    assert_eq!(keys("few"), "D ONE X");
}

#[test]
fn an_env_file_is_read_at_each_start() {
    let mut bench = Bench::new(
        "a: {cmd: sleep 1000, starttime: 0, env_file: [one, -two, -missing], autostart: false}",
    );
    bench.write("one", "# comment\n\nA = 'first value'\nB=\"b\"\n");
    bench.start();
    bench.ctl("start a");
    let env = environment(&bench, "a");
    assert_eq!((env["A"].as_str(), env["B"].as_str()), ("first value", "b"));
    bench.write("two", "A=second\n");
    bench.ctl("restart a");
    let env = environment(&bench, "a");
    assert_eq!((env["A"].as_str(), env["B"].as_str()), ("second", "b"));
}

/// How the only start of `a` failed.
fn failure(bench: &Bench) -> String {
    bench.until_state("a", "FATAL");
    let description = bench.row("a")["description"].as_str().unwrap().to_owned();
    description.replace(&format!("{}", bench.path("").display()), "")
}

#[test]
fn an_env_file_that_is_missing_is_a_failed_start() {
    let bench = Bench::up("a: {cmd: sleep 1000, env_file: vars, startretries: 0}");
    let failure = failure(&bench);
    assert!(failure.starts_with("reading env_file vars: No such file or directory, "), "{failure}");
    bench.write("vars", "");
    assert_eq!(bench.ctl("start --no-wait a").status, 0);
    assert_eq!(bench.state("a"), "STARTING");
}

#[test]
fn a_bad_line_of_an_env_file_is_a_failed_start_that_names_it() {
    let bench = Bench::new("a: {cmd: sleep 1000, env_file: -vars, startretries: 0}");
    bench.write("vars", "A=1\nnot a pair\n");
    let mut bench = bench;
    bench.start();
    let failure = failure(&bench);
    assert!(failure.starts_with("reading env_file vars: line 2: has no `=`"), "{failure}");
}

#[test]
fn names_are_expanded_after_the_words_are_split() {
    let mut bench = Bench::new("");
    bench.write("args.sh", "for word; do echo \"<$word>\"; done > $OUT\nexec sleep 1000\n");
    bench.configure_daemon(
        "env: {GREETING: 'from daemon.env'},",
        r#"web:
  numprocs: 2
  starttime: 0
  cmd: sh ${here}/args.sh ${program} ${index} ${name} ${WORDS} ${GREETING} ${HOST} "${NONE:-a b}" $${HOME} "" $5
  env: {WORDS: two words, OUT: '${name}.args'}"#,
    );
    start_with(&mut bench, &[("HOST", "example.org"), ("GREETING", "inherited")]);
    for index in [0, 1] {
        let file = format!("web:{index}.args");
        bench.until("it has written", |bench| bench.read(&file).ends_with("<$5>\n"));
        assert_eq!(
            bench.read(&file),
            format!(
                "<web>\n<{index}>\n<web:{index}>\n<two words>\n<from daemon.env>\n\
                 <example.org>\n<a b>\n<${{HOME}}>\n<>\n<$5>\n"
            )
        );
    }
}

#[test]
fn each_process_has_its_own_names() {
    let bench =
        Bench::up("web: {cmd: sleep 1000, starttime: 0, numprocs: 2, env: {PORT: '80${index}'}}");
    let env = environment(&bench, "web:1");
    assert_eq!(env["PORT"], "801");
    assert_eq!(env["TASKMASTER_PROCESS"], "web:1");
    assert_eq!(
        (env["TASKMASTER_PROGRAM"].as_str(), env["TASKMASTER_INDEX"].as_str()),
        ("web", "1")
    );
}
