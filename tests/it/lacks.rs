//! What a machine lacks for a configuration: warnings of `check`, of a start and of a reload.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::bench::{Bench, is_root};

#[test]
fn each_is_told_at_the_place_that_asks_for_it() {
    let mut bench = Bench::new("");
    let text = "daemon: {listen: '127.0.0.1:0', state_dir: state, user: nosuch}\n\
                defaults: {workingdir: /no/such}\n\
                include: more.yaml\n\
                programs:\n  a: {cmd: no-such-command, user: nosuch}\n  b: {cmd: sh, group: nosuch}\n";
    bench.write("more.yaml", "programs:\n  c: {command: /no/command}\n");
    bench.write("taskmaster.yaml", text);
    let told = [
        "taskmaster.yaml:1:57: daemon.user: no such user: nosuch",
        "taskmaster.yaml:2:24: defaults.workingdir: no such folder: /no/such",
        "taskmaster.yaml:5:12: programs.a.cmd: no-such-command is not in any folder of PATH",
        "taskmaster.yaml:5:35: programs.a.user: no such user: nosuch",
        "taskmaster.yaml:6:23: programs.b.group: no such group: nosuch",
        "more.yaml:2:16: programs.c.command: no such file: /no/command",
    ];
    let said = bench.check();
    assert_eq!(said.status, 0, "{said:?}");
    assert_eq!(said.err, told.map(|line| format!("warning: {line}\n")).concat());
    // The daemon says the same when it starts, and to who reloads.
    bench.write("taskmaster.yaml", &text.replace(", user: nosuch}\ndefaults", "}\ndefaults"));
    bench.start();
    let said = bench.ctl("reload");
    for line in &told[1..] {
        assert!(said.err.contains(&format!("warning: {line}\n")), "{said:?}");
        assert!(bench.log().contains(line), "{}", bench.log());
    }
    bench.stop();
}

#[test]
fn twenty_are_told_and_the_rest_is_counted() {
    let program = |n| format!("p{n}: {{cmd: no-such-{n}}}\n");
    let bench = Bench::new(&(0..25).map(program).collect::<String>());
    let said = bench.check();
    assert_eq!(said.status, 0);
    assert_eq!(said.err.lines().count(), 21, "{said:?}");
    assert!(said.err.ends_with("warning: and 5 more warnings\n"), "{said:?}");
}

#[test]
fn an_env_file_that_a_start_would_refuse_is_told() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("a: {cmd: sleep 1, env_file: env}");
    let file = bench.write("env", "A=1\n");
    assert_eq!(bench.check().err, "");
    fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    let said = bench.check();
    assert!(
        said.err.starts_with("warning: taskmaster.yaml:3:31: programs.a.env_file: "),
        "{said:?}"
    );
    assert!(said.err.contains("chmod go-w"), "{said:?}");
}
