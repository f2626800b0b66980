//! Included files: globs, trust, and what they may say.

use super::*;

fn read_all(texts: &[(&str, &str)]) -> Result<Config, Problems> {
    load(Path::new(texts[0].0), &surroundings(), &InMemory::new(texts))
}

fn told(texts: &[(&str, &str)]) -> String {
    read_all(texts).unwrap_err().to_string()
}

#[test]
fn included_files_add_programs() {
    let config = read_all(&[
        (
            "etc/tm.yaml",
            "include: [conf.d/*.yaml, more.yaml]\nprograms: {a: {cmd: x, stdout: a.out}}",
        ),
        ("etc/conf.d/b.yaml", "programs: {b: {cmd: '${here}/x', stdout: b.out}}"),
        ("etc/conf.d/.hidden.yaml", "nonsense"),
        ("etc/conf.d/b.yaml.bak", "nonsense"),
        ("etc/more.yaml", "programs: {c: {cmd: x}}"),
    ])
    .unwrap();
    assert_eq!(config.programs.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(config.programs["a"].launch.stdout, Output::File("/srv/etc/a.out".into()));
    let b = &config.programs["b"].launch;
    assert_eq!(b.stdout, Output::File("/srv/etc/conf.d/b.out".into()));
    assert_eq!(plain(&b.cmd[0]), "/srv/etc/conf.d/x");
}

#[test]
fn a_glob_that_finds_the_main_file_or_one_twice_reads_it_once() {
    let config = read_all(&[
        ("tm.yaml", "include: ['*.yaml', './b.yaml', '?.yaml']\nprograms: {a: {cmd: x}}"),
        ("b.yaml", "programs: {b: {cmd: x}}"),
    ])
    .unwrap();
    assert_eq!(config.programs.len(), 2);
}

#[test]
fn globs_may_stand_for_folders() {
    let config = read_all(&[
        ("tm.yaml", "include: apps/*/tm.yaml"),
        ("apps/one/tm.yaml", "programs: {one: {cmd: x}}"),
        ("apps/two/tm.yaml", "programs: {two: {cmd: x}}"),
        ("apps/three/other.yaml", "nonsense"),
    ])
    .unwrap();
    assert_eq!(config.programs.len(), 2);
}

#[test]
fn a_missing_file_is_an_error_and_an_empty_glob_a_warning() {
    assert_eq!(
        told(&[("tm.yaml", "include: [b.yaml]")]),
        "tm.yaml:1:11: include: cannot read b.yaml: No such file or directory"
    );
    let config = read_all(&[("tm.yaml", "include:\n- conf.d/*\nprograms: {a: {cmd: x}}")]).unwrap();
    let warnings: Vec<String> = config.warnings.list.iter().map(Problem::to_string).collect();
    assert_eq!(warnings, ["tm.yaml:2:3: include: matches no file"]);
    let missing = load(Path::new("no.yaml"), &surroundings(), &InMemory::default()).unwrap_err();
    assert_eq!(missing.to_string(), "no.yaml: No such file or directory");
}

#[test]
fn a_file_cannot_include_itself_by_name() {
    for name in ["tm.yaml", "./tm.yaml"] {
        let text = format!("include: [{name}]\nprograms: {{a: {{cmd: x}}}}");
        assert_eq!(
            told(&[("tm.yaml", &text)]),
            "tm.yaml:1:11: include: is this very file, which cannot include itself"
        );
    }
}

#[test]
fn what_a_machine_lacks_is_told_at_the_place_that_asks_for_it() {
    let files = InMemory::new(&[
        (
            "tm.yaml",
            "daemon: {user: who}\ndefaults: {workingdir: /x}\ninclude: b.yaml\n\
             hooks: [{on: fatal, cmd: a}, {on: fatal, cmd: page}]\n\
             programs:\n  a: {command: x}\n  b: {<<: {user: me}, cmd: x}\n",
        ),
        ("b.yaml", "programs:\n  c: {cmd: gone}\n"),
    ]);
    let missing = |asks, what: &str| Missing { asks, what: what.to_owned() };
    let of = |program: &str, key| Asks::Program(Rc::from(program), key);
    let told = tell_missing(
        Path::new("tm.yaml"),
        &surroundings(),
        &files,
        vec![
            missing(of("c", "cmd"), "no gone"),
            missing(of("a", "workingdir"), "no /x"),
            missing(of("b", "workingdir"), "no /x"),
            missing(of("a", "cmd"), "no x"),
            missing(of("b", "user"), "no me"),
            missing(of("b", "stdout"), "no folder"),
            missing(Asks::Daemon("user"), "no who"),
            missing(Asks::Hook(1), "no page"),
            missing(Asks::Mail("server"), "no server"),
        ],
    );
    assert_eq!(
        told.to_string(),
        "tm.yaml: no server\n\
         tm.yaml:1:16: daemon.user: no who\n\
         tm.yaml:2:24: defaults.workingdir: no /x\n\
         tm.yaml:4:47: hooks.cmd: no page\n\
         tm.yaml:6:16: programs.a.command: no x\n\
         tm.yaml:7:3: programs.b: no folder\n\
         tm.yaml:7:18: programs.b.user: no me\n\
         b.yaml:2:12: programs.c.cmd: no gone"
    );
}

#[test]
fn problems_come_in_the_order_of_the_files() {
    let texts = [
        ("tm.yaml", "include: '?.yaml'\nprograms:\n  a: {cmd: x, nice: 99}\n  z: {cmd: x}\n"),
        ("b.yaml", "daemon: {}\nprograms:\n  a: {cmd: x}\n  c: {cmd: x, nice: -99}\n"),
        ("c.yaml", "programs: {z: {cmd: x}}\nprogram: 1\nbad: [\n"),
    ];
    assert_eq!(
        told(&texts).lines().collect::<Vec<_>>(),
        [
            "tm.yaml:3:21: programs.a.nice: must be -20 to 19, not 99",
            "b.yaml:1:1: daemon: stands only in the main file; an included one holds `programs`",
            "b.yaml:3:3: programs.a: is there twice, first at tm.yaml:3:3",
            "b.yaml:4:21: programs.c.nice: must be -20 to 19, not -99",
            "c.yaml:4:1: did not find expected node content, while parsing a flow node",
        ]
    );
}

#[test]
fn distrusted_files_are_not_read() {
    let mut files = InMemory::new(&[
        ("tm.yaml", "daemon: {user: www}\ninclude: b.yaml\nprograms: {a: {cmd: x}}"),
        ("b.yaml", "programs: {b: {nonsense: 1}}"),
    ]);
    files.distrusted = ["tm.yaml", "b.yaml"].map(PathBuf::from).into();
    let problems = load(Path::new("tm.yaml"), &surroundings(), &files).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "tm.yaml: others may write it, Some(\"www\"): chmod go-w it\n\
         b.yaml: others may write it, Some(\"www\"): chmod go-w it"
    );
}

#[test]
fn a_file_without_programs_is_fine_with_a_warning() {
    for text in ["", "# nothing\n", "daemon: {}\n", "---\n", "programs:\n", "programs: {}\n"] {
        let config = good(text);
        assert!(config.programs.is_empty());
        assert_eq!(config.warnings.list.len(), 1, "{text:?}");
    }
    assert_eq!(good("").warnings.list[0].to_string(), "tm.yaml: there are no programs in it");
    assert_eq!(
        good("programs:\n").warnings.list[0].to_string(),
        "tm.yaml:1:1: programs: there are none"
    );
}

#[test]
fn what_include_names_must_be_paths() {
    let why = "must be a path, a glob such as conf.d/*.yaml, or a list of them";
    assert_eq!(problems("include: {a: b}"), [format!("tm.yaml:1:10: include: {why}")]);
    assert_eq!(problems("include: ['']"), [format!("tm.yaml:1:11: include: {why}")]);
}

#[test]
fn a_byte_order_mark_is_passed_over_and_has_no_column() {
    let texts = [
        (
            "tm.yaml",
            "\u{feff}include: b.yaml\ndaemon: {listen: '127.0.0.1:1'}\nprograms: {a: {cmd: x}}",
        ),
        ("b.yaml", "\u{feff}# ours\nprograms: {b: {cmd: x}}"),
    ];
    let config = read_all(&texts).unwrap();
    assert_eq!(config.programs.keys().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.daemon.listen.port(), 1);
    let wrong = [("tm.yaml", "\u{feff}include: b.yaml"), ("b.yaml", "\u{feff}programs: {b: 1}")];
    let problems = read_all(&wrong).unwrap_err();
    assert!(problems.to_string().starts_with("b.yaml:1:15: programs.b: "), "{problems}");
    let excerpt = problems.list[0].excerpt().unwrap();
    assert_eq!(excerpt, "  programs: {b: 1}\n                ^");
}

#[test]
fn the_shell_passes_over_a_byte_order_mark_too() {
    for rest in ["", "\nprograms: {a: [", "\n\tx"] {
        let text = format!("\u{feff}daemon: {{listen: '127.0.0.1:1'}}{rest}");
        let daemon = daemon_only(Path::new("tm.yaml"), &text, &surroundings());
        assert_eq!(daemon.listen.port(), 1, "{text:?}");
    }
}
