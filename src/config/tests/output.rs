//! Where output goes: the values of `stdout` and `stderr`, and that no two streams share a file.

use super::*;

#[test]
fn output_goes_to_a_place_with_a_name_or_to_a_file() {
    for (text, place) in [
        ("auto", Output::Auto),
        ("discard", Output::Discard),
        ("null", Output::Discard),
        ("~", Output::Discard),
        ("", Output::Discard),
        ("none", Output::Discard),
        ("/dev/null", Output::Discard),
        ("inherit", Output::Inherit),
        ("/tmp/x", Output::File("/tmp/x".into())),
        ("logs/x", Output::File("/srv/logs/x".into())),
        ("'${HOME}/x'", Output::File("/home/me/x".into())),
    ] {
        assert_eq!(program(&format!("stdout: {text}")).launch.stdout, place, "{text}");
        assert_eq!(program(&format!("stderr: {text}")).launch.stderr, place, "{text}");
    }
    assert_eq!(program("stderr: stdout").launch.stderr, Output::Stdout);
    let Output::File(path) = program("stdout: '${index}.log'").launch.stdout.clone() else {
        panic!()
    };
    assert_eq!(path.expand(3, "p:3"), "/srv/3.log");
    for (keys, why) in [
        (
            "stdout: stdout",
            "stdout: must be auto, discard, inherit or the path of a file; one that is called stdout is written ./stdout",
        ),
        (
            "stdout: off",
            "stdout: must be auto, discard, inherit or the path of a file; one that is called off is written ./off",
        ),
        (
            "stderr: Yes",
            "stderr: must be auto, discard, inherit, stdout or the path of a file; one that is called yes is written ./yes",
        ),
        ("stdout: ''", "stdout: must not be empty"),
        ("stdout: {max_bytes: 1}", "stdout: has no `file`, where the output is to go"),
        (
            "stdout: {file: /x, max_bytes: -1}",
            "stdout.max_bytes: must be a size such as 4096, 10KB, 10MB or 1GB, not -1",
        ),
        ("stdout: {file: /x, keep: no}", "stdout.keep: must be 0 to 1000, not no"),
        (
            "stdout: {file: /x, size: 1}",
            "stdout.size: unknown key; there are file, max_bytes, keep, timestamps",
        ),
        (
            "stderr: [x]",
            "stderr: must be auto, discard, inherit, stdout, the path of a file, or a map with `file`",
        ),
    ] {
        assert_eq!(refused(keys), why);
    }
}

#[test]
fn the_daemons_own_descriptors_are_inherited() {
    let launch = |keys: &str| program(keys).launch.clone();
    for path in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        assert_eq!(launch(&format!("stdout: {path}")).stdout, Output::Inherit, "{path}");
        for stdout in ["inherit", "/dev/stdout"] {
            let keys = format!("stdout: {stdout}, stderr: {path}");
            assert_eq!(launch(&keys).stderr, Output::Stdout, "{keys}");
        }
    }
    for path in ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"] {
        assert_eq!(launch(&format!("stderr: {path}")).stderr, Output::Inherit, "{path}");
    }
    let is_none = "is a descriptor of the daemon's, and no file: write inherit";
    for (keys, path) in [
        ("stdout: /dev/stderr", "/dev/stderr"),
        ("stdout: /dev/fd/3", "/dev/fd/3"),
        ("stdout: '/dev/fd/${index}'", "/dev/fd/"),
        ("stdout: /proc/self/fd/2", "/proc/self/fd/2"),
        ("stdout: /dev/stdin", "/dev/stdin"),
        ("stderr: /dev/stdout", "/dev/stdout"),
        ("stdout: /tmp/x, stderr: /dev/fd/1", "/dev/fd/1"),
        ("stdout: discard, stderr: /dev/stdout", "/dev/stdout"),
        ("stderr: /dev/fd/0", "/dev/fd/0"),
    ] {
        let told = refused(keys);
        assert!(told.contains(&format!(": {path} {is_none} to go where ")), "{keys}: {told}");
    }
    for (keys, path) in
        [("stdout: {file: /dev/stdout}", "/dev/stdout"), ("stderr: {file: /dev/fd/2}", "/dev/fd/2")]
    {
        let told = refused(keys);
        assert!(told.contains(&format!(".file: {path} {is_none} in place of the map")), "{told}");
    }
}

#[test]
fn captured_output_is_a_map_with_a_file() {
    let program = program("stderr: {file: '${name}.log', max_bytes: 1KB, timestamps: yes}");
    let Output::Captured(capture) = &program.launch.stderr else { panic!() };
    assert_eq!(capture.file.expand(3, "p:3"), "/srv/p:3.log");
    assert_eq!((capture.max_bytes, capture.keep, capture.timestamps), (1024, 2, true));
}

#[test]
fn no_two_processes_rotate_one_file() {
    for keys in
        ["numprocs: 2, stdout: {file: x.log}", "stdout: {file: x.log}, stderr: {file: ./x.log}"]
    {
        assert!(refused(keys).contains("/srv/x.log is rotated for p"), "{keys}");
    }
    program("numprocs: 2, stdout: {file: 'x${index}.log'}, stderr: stdout");
    let text = "daemon: {log: {file: x.log}}\nprograms: {p: {cmd: x, stdout: {file: x.log}}}";
    assert!(problems(text).concat().contains("x.log is rotated for the daemon's own log already"));
    let text = |file: &str| {
        format!(
            "daemon: {{state_dir: s}}\nprograms:\n  a: {{cmd: x, stdout: {{file: s/log/{file}}}}}\n  \
             b: {{cmd: x, numprocs: 2, stderr: discard}}"
        )
    };
    assert_eq!(
        problems(&text("b:1.stdout.log")),
        [
            "tm.yaml:3:23: programs.a.stdout: /srv/s/log/b:1.stdout.log is rotated for b:1's stdout already, \
          which is `auto`; name another"
        ]
    );
    assert_eq!(problems(&text("a.stderr.log")).len(), 1, "its own other stream");
    for other in ["b:1.stderr.log", "b:2.stdout.log", "b.stdout.log", "a.stdout.log", "x.log"] {
        good(&text(other));
    }
}

#[test]
fn a_file_is_one_however_it_is_spelt_and_so_are_its_old_ones() {
    let two = |a: &str, b: &str| {
        format!(
            "daemon: {{state_dir: s}}\nprograms:\n  a: {{cmd: x, stdout: {{{a}}}}}\n  \
             b: {{cmd: x, stdout: {{{b}}}}}"
        )
    };
    let second = |a: &str, b: &str| problems(&two(a, b)).concat();
    assert!(
        second("file: l/x", "file: l/../l/./x").contains("b.stdout: /srv/l/x is rotated for a's")
    );
    assert!(
        second("file: x.log, keep: 1", "file: x.log.1").contains(
            "b.stdout: /srv/x.log.1 is an old file of /srv/x.log, which is rotated for a's"
        )
    );
    assert!(second("file: x.log.3", "file: x.log, keep: 3").contains(
        "b.stdout: /srv/x.log has /srv/x.log.3 as an old file, which is rotated for a's"
    ));
    good(&two("file: x.log, keep: 1", "file: x.log.2"));
    good(&two("file: x.log, max_bytes: 0, keep: 9", "file: x.log.2"));
    let auto = |file: &str| {
        format!(
            "daemon: {{state_dir: s}}\nprograms:\n  a: {{cmd: x, stdout: {{file: {file}}}}}\n  b: {{cmd: x}}"
        )
    };
    for file in ["s/log/b.stdout.log.2", "s/log/../log/b.stdout.log", "t/../s/log/b.stdout.log"] {
        let told = problems(&auto(file)).concat();
        assert!(told.ends_with("b's stdout already, which is `auto`; name another"), "{told}");
    }
    good(&auto("s/log/b.stdout.log.3"));
}

#[test]
fn what_is_rotated_nobody_else_appends_to() {
    let own = "`stderr: stdout` sends both of its streams to one place";
    for (keys, what) in [
        (
            "stdout: {file: x.log}, stderr: x.log",
            "stderr: /srv/x.log is rotated for p's stdout, and takes no lines of others",
        ),
        (
            "stdout: l/../x.log, stderr: {file: x.log}",
            "stderr: /srv/x.log is appended to by p's stdout, and so cannot be rotated",
        ),
        (
            "stdout: {file: x.log}, stderr: {file: x.log}",
            "stderr: /srv/x.log is rotated for p's stdout already",
        ),
    ] {
        assert_eq!(refused(keys), format!("{what}; {own}"));
    }
    for keys in [
        "numprocs: 3, stdout: x.log, stderr: x.log",
        "stdout: {file: x.log}, stderr: x.log.3",
        "stdout: {file: x.log, max_bytes: 0}, stderr: x.log.1",
    ] {
        program(keys);
    }
    assert!(refused("stdout: {file: x.log}, stderr: x.log.2").contains("is an old file of "));
    let text = |log: &str, output: &str| {
        format!(
            "daemon: {{state_dir: s, log: {{{log}}}}}\nprograms:\n  a: {{cmd: x, stdout: {output}}}\n  \
             b: {{cmd: x, numprocs: 2}}"
        )
    };
    let told = |log: &str, output: &str| problems(&text(log, output)).concat();
    assert_eq!(
        told("level: info", "s/taskmaster.log"),
        "tm.yaml:3:23: programs.a.stdout: /srv/s/taskmaster.log is rotated for the daemon's own log, and \
         takes no lines of others; name another"
    );
    assert!(told("file: x", "x.1").ends_with("which is rotated for the daemon's own log already"));
    good(&text("file: x, max_bytes: 0", "x"));
    assert!(told("file: x, max_bytes: 0", "{file: x}").contains("is appended to by the daemon's"));
    let auto = "is rotated for b:1's stdout already, which is `auto`; name another";
    assert_eq!(
        told("level: info", "s/log/b:1.stdout.log"),
        format!("tm.yaml:3:23: programs.a.stdout: /srv/s/log/b:1.stdout.log {auto}")
    );
    assert_eq!(
        told("file: s/log/b:1.stdout.log", "x"),
        format!("tm.yaml:1:36: daemon.log.file: /srv/s/log/b:1.stdout.log {auto}")
    );
    assert!(told("level: info", "s/log/a.stderr.log").ends_with(own));
    good(&text("file: s/log/b.stdout.log", "s/log/b:2.stdout.log"));
}
