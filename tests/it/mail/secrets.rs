//! A password is seen by nobody but the server.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::{FAILS, configure, up};
use crate::bench::{Bench, children, is_root, proc};
use crate::post_office::{Manner, PostOffice};

const PASSWORD: &str = "hunter2-hunter2";

#[test]
fn it_is_in_no_command_line_environment_log_or_answer() {
    let office = PostOffice::open(Manner { is_silent: true, ..Manner::default() });
    let server = format!("smtp://me:{PASSWORD}@{}?password=in-clear", office.address);
    let mut bench = up(&format!("server: '{server}', timeout: 2"), FAILS);
    let sender = |bench: &Bench| {
        children(bench.pid()).into_iter().find(|pid| proc(*pid, "cmdline") == "taskmaster\0mail\0")
    };
    let mut found = None;
    bench.until("the sender is at it", |bench| {
        found = sender(bench);
        found.is_some()
    });
    for pid in [bench.pid(), found.unwrap()] {
        for file in ["cmdline", "environ"] {
            assert!(!proc(pid, file).contains(PASSWORD), "{file}");
        }
    }
    bench.until("it failed", |bench| bench.log().contains("mail failed"));
    for command in ["check", "reload --dry-run", "status --json"] {
        let said = bench.ctl(command);
        assert!(!format!("{said:?}").contains(PASSWORD), "{command}");
    }
    configure(&bench, &format!("server: '{server}&tls=no'"), FAILS);
    for said in [bench.check(), bench.ctl("reload"), bench.ctl("check")] {
        assert!(said.err.contains("mail.server: ") && !said.err.contains(PASSWORD), "{said:?}");
    }
    bench.stop();
    assert!(!bench.log().contains(PASSWORD), "{}", bench.log());
}

/// Soft limit of core dumps, in bytes.
fn core_limit(pid: i32) -> String {
    let limits = proc(pid, "limits");
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    line.split_whitespace().nth(4).unwrap().to_owned()
}

#[test]
fn a_daemon_that_knows_it_leaves_no_core_and_its_programs_keep_their_limit() {
    let mut bench = Bench::new("");
    let sleeper = "a: {cmd: sleep 1000, starttime: 0}";
    configure(
        &bench,
        &format!("server: 'smtp://me:{PASSWORD}@127.0.0.1:1?password=in-clear'"),
        sleeper,
    );
    let command = bench.daemon_through(&["sh", "-c", "ulimit -Sc 8; exec \"$@\"", "sh"]);
    bench.start_as(command);
    let (daemon, program) = (core_limit(bench.pid()), core_limit(bench.pid_of("a")));
    // Where no core may be written at all, the hard limit says so.
    assert!(["0", "1"].contains(&daemon.as_str()), "{daemon}");
    assert_eq!(program, if daemon == "0" { "0" } else { "4096" });
}

#[test]
fn a_password_file_is_read_by_the_sender_and_must_be_private() {
    let office = PostOffice::open(Manner { login: Some(("me", PASSWORD)), ..Manner::default() });
    let mut bench = Bench::new("");
    let file = bench.write("pw", &format!("{PASSWORD}\n"));
    let mail = format!(
        "server: 'smtp://me@{}?password=in-clear', password_file: pw, digest: 0.2",
        office.address
    );
    configure(&bench, &mail, FAILS);
    bench.start();
    bench.until("it failed", |bench| bench.log().contains("others may read it"));
    assert_eq!(office.delivered().len(), 0);
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    bench.until("it is there", |_| office.delivered().len() == 1);
    assert!(!bench.log().contains(PASSWORD));
}

#[test]
fn a_password_by_a_strangers_link_is_not_read() {
    if !is_root() {
        return;
    }
    let office = PostOffice::open(Manner { login: Some(("me", PASSWORD)), ..Manner::default() });
    let mut bench = Bench::new("");
    let file = bench.write("pw", &format!("{PASSWORD}\n"));
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let link = bench.path("link");
    std::os::unix::fs::symlink("pw", &link).unwrap();
    std::os::unix::fs::lchown(&link, Some(54321), None).unwrap();
    let mail = format!(
        "server: 'smtp://me@{}?password=in-clear', password_file: link, digest: 0.2",
        office.address
    );
    configure(&bench, &mail, FAILS);
    bench.start();
    bench.until("it failed", |bench| bench.log().contains("a symbolic link that neither root"));
    assert_eq!(office.delivered().len(), 0);
    std::os::unix::fs::lchown(&link, Some(0), None).unwrap();
    bench.until("it is there", |_| office.delivered().len() == 1);
}

#[test]
fn it_may_come_from_the_environment() {
    let office =
        PostOffice::open(Manner { login: Some(("me", "p@ss:w%rd/")), ..Manner::default() });
    let mut bench = Bench::new("");
    let server = format!("smtp://me:${{MAIL_PW}}@{}?password=in-clear", office.address);
    configure(&bench, &format!("server: '{server}'"), FAILS);
    let mut command = bench.daemon_command();
    command.env("MAIL_PW", "p@ss:w%rd/");
    bench.start_as(command);
    bench.until("it is there", |_| office.delivered().len() == 1);
}

#[test]
fn a_server_that_repeats_it_is_not_quoted() {
    let manner = Manner { login: Some(("me", "other")), is_talkative: true, ..Manner::default() };
    let office = PostOffice::open(manner);
    let server = format!("smtp://me:{PASSWORD}@{}?password=in-clear", office.address);
    let bench = up(&format!("server: '{server}'"), FAILS);
    bench.until("it failed", |bench| bench.log().contains("mail failed"));
    assert!(bench.log().contains("logging in as me: 535 5.7.8 ***"), "{}", bench.log());
}

#[test]
fn a_strangers_link_aims_no_message_at_a_folder_of_roots() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    std::fs::create_dir(bench.path("roots")).unwrap();
    std::os::unix::fs::symlink("roots", bench.path("out")).unwrap();
    std::os::unix::fs::lchown(bench.path("out"), Some(65534), None).unwrap();
    configure(&bench, "server: 'file:out'", FAILS);
    bench.start();
    bench.until("it is told", |bench| bench.log().contains("a symbolic link that neither root"));
    assert_eq!(std::fs::read_dir(bench.path("roots")).unwrap().count(), 0);
}
