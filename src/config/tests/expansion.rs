//! Which layers a name is looked for in, and what taskmaster's own names are.

use super::*;

#[test]
fn each_layer_sees_those_outside_of_it() {
    let config = good(
        "\
daemon: {env: {PATH: '/d:${PATH}', D: d}}
defaults: {env: {PATH: '/f:${PATH}', F: '${D}f'}}
programs:
  a:
    cmd: 'run ${PATH} ${F} ${D} ${HOME}'
    env: {PATH: '/p:${PATH}', OWN: '${F}'}
",
    );
    let launch = &config.programs["a"].launch;
    let words: Vec<&str> = launch.cmd.iter().map(plain).collect();
    assert_eq!(words, ["run", "/p:/f:/d:/bin", "df", "d", "/home/me"]);
    assert_eq!(plain(&launch.attributes.env["OWN"]), "df");
    assert_eq!(launch.attributes.base_env.keys().collect::<Vec<_>>(), ["D"], "less what env sets");
}

#[test]
fn env_does_not_see_itself() {
    let told = refused("env: {A: 1, B: '${A}'}");
    assert!(told.starts_with("env.B: nothing sets ${A}: give it a default"), "{told}");
}

#[test]
fn a_value_never_becomes_two_words() {
    let p = program("cmd: 'run ${A}', env: {A: 'x y'}");
    assert_eq!(p.launch.cmd.len(), 2);
    assert_eq!(plain(&p.launch.cmd[1]), "x y");
}

#[test]
fn a_default_with_a_space_must_be_quoted() {
    let told = problems(&with_keys("cmd: 'run ${A:-b c}'"));
    assert!(told[0].ends_with("; quote it if it was cut at a space"), "{told:?}");
    assert_eq!(plain(&program("cmd: 'run \"${A:-b c}\"'").launch.cmd[1]), "b c");
}

#[test]
fn own_names_hold_in_every_expanded_key() {
    let p = program(
        "cmd: '${program}', workingdir: '${here}/w', user: 'u${index}', \
         env_file: '-${name}.env', stdout: '${program}.out', env: {PORT: '80${index}'}",
    );
    let launch = &p.launch;
    assert_eq!(plain(&launch.cmd[0]), "p");
    assert_eq!(launch.attributes.workingdir, Some("/srv/w".into()));
    assert_eq!(launch.attributes.user.as_ref().unwrap().expand(4, "p:4"), "u4");
    assert_eq!(launch.attributes.env_file[0].path.expand(4, "p:4"), "/srv/p:4.env");
    assert_eq!(launch.stdout, Output::File("/srv/p.out".into()));
    assert_eq!(launch.attributes.env["PORT"].expand(4, "p:4"), "804");
}

#[test]
fn daemon_env_knows_the_program_and_is_checked_without_any() {
    let config = good("daemon: {env: {WHO: '${program}'}}\nprograms: {a: {cmd: x}, b: {cmd: x}}");
    assert_eq!(plain(&config.programs["b"].launch.attributes.base_env["WHO"]), "b");
    assert_eq!(problems("daemon: {env: {A: '${NOPE}'}}").len(), 1);
}

#[test]
fn numprocs_changes_no_template() {
    let one = program("cmd: 'run ${name}', numprocs: 1");
    assert_eq!(one.launch, program("cmd: 'run ${name}', numprocs: 9").launch);
}

#[test]
fn a_dollar_is_escaped_by_another() {
    assert_eq!(plain(&program("cmd: 'echo $${NOPE} $HOME'").launch.cmd[1]), "${NOPE}");
}

#[test]
fn a_path_that_is_not_expanded_is_none_that_asks_for_it() {
    let mail = "server: 'smtps://me@h', from: a@b, to: c@d, password_file:";
    for key in
        ["daemon: {state_dir:", "daemon: {secret_file:", "daemon: {log: {file:", "include: ["]
    {
        for (path, what) in [("${HOME}/x", "${...}"), ("~/x", "`~`")] {
            let end =
                key.replace(|c: char| !"{[".contains(c), "").replace('{', "}").replace('[', "]");
            let told = problems(&format!("{key} '{path}'{end}")).concat();
            assert!(
                told.contains(&format!(": is taken as written, {what} too: write the ")),
                "{told}"
            );
        }
    }
    let told = problems(&format!("mail: {{{mail} '${{HOME}}/x'}}")).concat();
    assert!(told.contains("mail.password_file: is taken as written"), "{told}");
    for keys in [
        "stdout: ~/x",
        "stderr: {file: ~/x}",
        "workingdir: ~/x",
        "env_file: [-~/x]",
        "env: {W: '~'}, workingdir: '${W}/x'",
    ] {
        assert!(refused(keys).ends_with("`~` too: write ${HOME}/... instead"), "{keys}");
    }
    assert!(refused("cmd: ~/bin/x y").starts_with("cmd: the program to run is taken as written"));
    assert!(refused("ready: {exec: [~/x]}").starts_with("ready.exec: the program to run is "));
    program("cmd: 'x ~/y', stdout: a~/b");
    let told = problems("mail: {server: 'file:~/x', from: a@b, to: c@d}").concat();
    assert!(told.contains("mail.server: is taken as written"), "{told}");
}
