//! Problems: all of them, each at its place; keys that stand twice, or not at all.

use super::*;

#[test]
fn every_problem_is_told_with_its_place() {
    let text = "\
daemon:
  listen: nowhere
programs:
  api:
    cmd: run
    numprocs: 0
    numproc: 2
    env: {A: [x]}
  web:
    umask: 9
";
    assert_eq!(
        problems(text),
        [
            "tm.yaml:2:11: daemon.listen: must be ADDRESS:PORT, such as 127.0.0.1:4242, not nowhere",
            "tm.yaml:6:15: programs.api.numprocs: must be 1 to 10000, not 0",
            "tm.yaml:7:5: programs.api.numproc: unknown key; did you mean `numprocs`?",
            "tm.yaml:8:14: programs.api.env.A: must be one value, not a list",
            "tm.yaml:10:5: programs.web: has no `cmd`, the command to run",
            "tm.yaml:10:12: programs.web.umask: must be an octal mask such as 022, 0 to 777, not 9",
        ]
    );
    let first = &read(text).unwrap_err().list[1];
    assert_eq!((first.line, first.column), (Some(6), Some(15)));
    assert_eq!(first.excerpt().unwrap(), "      numprocs: 0\n                ^");
}

#[test]
fn beyond_twenty_they_are_counted() {
    let text: String = (0..25).map(|n| format!("  p{n}: {{cmd: run, nice: 99}}\n")).collect();
    let told = problems(&format!("programs:\n{text}"));
    assert_eq!(told.len(), 21);
    assert!(told[0].starts_with("tm.yaml:2:"));
    assert_eq!(told[20], "and 5 more problems");
}

#[test]
fn what_stands_twice_is_refused_and_the_first_named() {
    assert_eq!(
        problems("programs:\n  a: {cmd: x}\n  a: {cmd: y}\n"),
        ["tm.yaml:3:3: programs.a: is there twice, first in line 2"]
    );
    assert_eq!(
        problems("programs:\n  a:\n    cmd: x\n    nice: 1\n    nice: 2\n"),
        ["tm.yaml:5:5: programs.a.nice: is there twice, first in line 4"]
    );
    assert_eq!(
        problems("programs:\n  a:\n    cmd: x\n    command: x\n"),
        [
            "tm.yaml:4:5: programs.a.command: is another name of `cmd`, which is there too, first in line 3"
        ]
    );
    assert_eq!(
        problems("programs:\n  a: {cmd: x, env: {A: 1, A: 2}}\n"),
        ["tm.yaml:2:27: programs.a.env.A: is there twice, first in line 2"]
    );
    assert_eq!(
        problems("daemon: {}\ndaemon: {}\n"),
        ["tm.yaml:2:1: daemon: is there twice, first in line 1"]
    );
}

#[test]
fn keys_that_mean_nothing_are_refused() {
    for (text, told) in [
        ("program: {}", "tm.yaml:1:1: program: unknown key; did you mean `programs`?"),
        (
            "zoo: {}",
            "tm.yaml:1:1: zoo: unknown key; there are daemon, mail, hooks, include, defaults, programs",
        ),
        ("daemon: {lisen: x}", "tm.yaml:1:10: daemon.lisen: unknown key; did you mean `listen`?"),
        ("defaults: {umsk: x}", "tm.yaml:1:12: defaults.umsk: unknown key; did you mean `umask`?"),
        ("? {a: b}\n: c", "tm.yaml:1:3: a key must be a word, not a list or a map"),
        ("programs: [a]", "tm.yaml:1:11: programs: must be a map, lines of `key: value`"),
        ("programs: {a: ls}", "tm.yaml:1:15: programs.a: must be a map, lines of `key: value`"),
        ("just text", "tm.yaml:1:1: must be a map, lines of `key: value`"),
    ] {
        assert_eq!(problems(text), [told]);
    }
}

#[test]
fn names_of_programs_are_taken_as_they_are_written() {
    let config = good(
        "programs: {022: {cmd: a}, 1.50: {cmd: a}, true: {cmd: a}, null: {cmd: a}, été: {cmd: a}}",
    );
    assert_eq!(
        config.programs.keys().map(|name| &**name).collect::<Vec<_>>(),
        ["022", "1.50", "null", "true", "été"]
    );
    assert_eq!(
        problems("programs: {all: {cmd: a}, 'a b': {cmd: a}}"),
        [
            "tm.yaml:1:12: programs.all: `all` means every program: choose another name",
            "tm.yaml:1:27: programs.a b: a program's name has letters, digits, `_`, `-`, `.` and `@`, no ` `"
        ]
    );
}

#[test]
fn control_characters_are_told_harmlessly() {
    let told = problems("programs: {\"\\e[31m\": {cmd: a}}");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("\\u{1b}[31m") && !told[0].contains('\u{1b}'), "{told:?}");
}

#[test]
fn merge_keys_work_in_programs_and_env() {
    let config = good(
        "\
programs:
  a: &a
    cmd: run
    nice: 1
    env: &env {A: a, B: a}
  b:
    <<: *a
    nice: 2
    env:
      <<: *env
      B: b
  c:
    <<: [{nice: 3, umask: 027}, *a]
    env: {<<: [{A: first}, {A: second, C: c}]}
",
    );
    let [a, b, c] = ["a", "b", "c"].map(|name| &config.programs[name]);
    assert_eq!(b.launch.cmd, a.launch.cmd);
    assert_eq!(
        (a.launch.attributes.nice, b.launch.attributes.nice, c.launch.attributes.nice),
        (Some(1), Some(2), Some(3))
    );
    assert_eq!(
        (plain(&b.launch.attributes.env["A"]), plain(&b.launch.attributes.env["B"])),
        ("a", "b")
    );
    assert_eq!(c.launch.attributes.umask, Some(0o27));
    assert_eq!(
        (plain(&c.launch.attributes.env["A"]), plain(&c.launch.attributes.env["C"])),
        ("first", "c")
    );
}

#[test]
fn merging_the_other_spelling_of_a_key_is_overriding_it() {
    let config = good("programs:\n  a: &a {command: x}\n  b: {<<: *a, cmd: y}\n");
    assert_eq!(plain(&config.programs["b"].launch.cmd[0]), "y");
}

#[test]
fn a_merge_key_takes_maps_once() {
    let why = "tm.yaml:2:19: programs.a: must be a map, lines of `key: value`";
    assert_eq!(problems("programs:\n  a: {cmd: x, <<: 1}\n"), [why]);
    let told = problems("programs:\n  a: {cmd: x, <<: {}, <<: {}}\n");
    assert_eq!(
        told,
        ["tm.yaml:2:23: programs.a: is there twice; give it a list of maps, first in line 2"]
    );
}

#[test]
fn text_that_is_no_yaml_is_told_with_the_place() {
    for (text, told) in [
        ("a: b\n c: d\n", "tm.yaml:2:3: mapping values are not allowed in this context"),
        (
            "programs:\n  a: 'x\n",
            "tm.yaml:3:1: found unexpected end of stream, while scanning a quoted scalar at line 2 column 6",
        ),
        ("programs: *nobody\n", "tm.yaml:1:11: an alias `*name` needs an anchor `&name` above"),
        (
            "a: !secret b\n",
            "tm.yaml:1:4: a tag (`!...`) means nothing here: remove it, or quote the value",
        ),
        (
            "programs: {}\n---\nprograms: {}\n",
            "tm.yaml:3:1: a second document starts here; a file holds one",
        ),
        (
            "a: &x 1\nb: &x 2\nc: *x\n",
            "tm.yaml:2:4: the anchor `&x` is set twice: give it another name",
        ),
        (
            "daemon: {listen: [::1]:1}\n",
            "tm.yaml:1:19: did not find expected node content, while parsing a flow node; an IPv6 address in brackets needs quotes",
        ),
        (
            "a: {b: ${C}}\n",
            "tm.yaml:1:9: did not find expected ',' or '}', while parsing a flow mapping at line 1 column 4; within {} and [], what holds ${...} needs quotes",
        ),
        ("programs: {}\nx\u{1}: 1\n", "tm.yaml:2:2: control characters are not allowed"),
    ] {
        assert_eq!(problems(text), [told]);
    }
}

#[test]
fn defaults_stand_under_every_program() {
    let config = good(
        "defaults: {command: run, nice: 5, env: {A: 1, B: 2}}\n\
         programs: {a: {}, b: {nice: 6, cmd: other, env: {B: 3}}}",
    );
    let [a, b] = ["a", "b"].map(|name| &config.programs[name].launch);
    assert_eq!((a.attributes.nice, b.attributes.nice), (Some(5), Some(6)));
    assert_eq!((plain(&a.cmd[0]), plain(&b.cmd[0])), ("run", "other"));
    assert_eq!((plain(&b.attributes.env["A"]), plain(&b.attributes.env["B"])), ("1", "3"));
}

#[test]
fn what_defaults_get_wrong_is_told_once() {
    let text = "defaults: {nice: 99, cmd: '${NOPE}', env: {A: '${NEITHER}'}}\nprograms: {a: {}, b: {}, c: {}}\n";
    let told = problems(text);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "tm.yaml:1:18: defaults.nice: must be -20 to 19, not 99");
    assert!(told[1].starts_with("tm.yaml:1:27: defaults.cmd: nothing sets ${NOPE}"), "{told:?}");
    assert!(
        told[2].starts_with("tm.yaml:1:47: defaults.env.A: nothing sets ${NEITHER}"),
        "{told:?}"
    );
    assert_eq!(problems("defaults: {nice: 99}").len(), 1, "without programs too");
}

#[test]
fn sections_are_not_merged() {
    for base in ["{include: nothing.yaml}", "{daemon: {listen: 'x'}}", "{}"] {
        let told = problems(&format!("<<: {base}\nprograms: {{a: {{cmd: x}}}}"));
        assert_eq!(
            told[0],
            "tm.yaml:1:1: merges maps within a section, and no sections: write them out"
        );
    }
}
