//! Which files are written to, and what orders do to them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::rig::{Rig, size};
use crate::bench::{exists, finished, is_root, signal, taskmaster, until};

#[test]
fn a_new_file_is_private_and_an_old_one_is_kept_as_it_is() {
    let mut rig = Rig::up();
    fs::write(rig.path("old"), "before\n").unwrap();
    fs::set_permissions(rig.path("old"), fs::Permissions::from_mode(0o600)).unwrap();
    let owner = if is_root() { json!([12, 34]) } else { json!(null) };
    rig.capture(1, "old", json!({ "owner": owner })).write_all(b"after\n").unwrap();
    rig.capture(2, "log/new", json!({ "owner": owner })).write_all(b"new\n").unwrap();
    assert_eq!(rig.end(), 0);
    let about = |name| {
        let about = fs::metadata(rig.path(name)).unwrap();
        (about.mode() & 0o777, about.uid(), about.gid())
    };
    let mine = (about("").1, about("").2);
    let theirs = if is_root() { (12, 34) } else { mine };
    assert_eq!(about("old"), (0o600, mine.0, mine.1));
    assert_eq!(about("log/new"), (0o640, theirs.0, theirs.1));
    assert_eq!(about("log").0, 0o700, "the folder");
    assert_eq!(fs::read(rig.path("old")).unwrap(), b"before\nafter\n");
}

#[test]
fn what_is_no_file_is_refused_and_holds_nobody_up() {
    let mut rig = Rig::up();
    fs::create_dir(rig.path("folder")).unwrap();
    nix::unistd::mkfifo(&rig.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(rig.path("socket")).unwrap();
    symlink(rig.path("loop"), rig.path("loop")).unwrap();
    symlink("/dev/zero", rig.path("device")).unwrap();
    let refused = [
        ("folder", "it is a folder"),
        ("fifo", "it is a FIFO"),
        ("socket", "it is a socket"),
        ("device", "it is a device"),
        ("loop", "Too many symbolic links encountered"),
        ("no/such/folder", "No such file or directory"),
    ];
    for (id, (name, why)) in (0..).zip(refused) {
        // More than its pipe holds.
        rig.capture(id, name, json!({})).write_all(&[b'x'; 300_000]).unwrap();
        let path = rig.path(name);
        let cause = format!("opening {}: {why}", path.display());
        let lost = rig.until_report("lost");
        assert_eq!((&lost["id"], &lost["cause"]), (&json!(id), &json!(cause)));
    }
    rig.capture(9, "log", json!({})).write_all(b"fine\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"fine\n");
}

#[test]
fn a_link_is_followed_if_root_or_the_user_owns_it() {
    let mut rig = Rig::up();
    symlink("target", rig.path("mine")).unwrap();
    symlink("/dev/null", rig.path("null")).unwrap();
    rig.capture(1, "mine", json!({})).write_all(b"through\n").unwrap();
    rig.capture(2, "null", json!({"max_bytes": 10})).write_all(&[b'x'; 300_000]).unwrap();
    if is_root() {
        symlink(rig.path("victim"), rig.path("theirs")).unwrap();
        std::os::unix::fs::lchown(rig.path("theirs"), Some(12), Some(12)).unwrap();
        rig.capture(3, "theirs", json!({})).write_all(b"aimed\n").unwrap();
        let cause = rig.until_report("lost")["cause"].take();
        let why = "it is a symbolic link that neither root nor this user owns";
        assert!(cause.as_str().unwrap().ends_with(why), "{cause}");
        assert!(!exists(&rig.path("victim")));
    }
    assert_eq!(rig.logged("target").concat(), b"through\n");
    assert!(rig.reports().is_empty(), "of /dev/null");
}

#[test]
fn nor_is_roots_link_where_a_stranger_can_move_it() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::up();
    for name in ["app", "roots"] {
        fs::create_dir(rig.path(name)).unwrap();
    }
    symlink("../roots/app.conf", rig.path("app/log")).unwrap();
    symlink("../roots", rig.path("app/logs")).unwrap();
    std::os::unix::fs::chown(rig.path("app"), Some(12), None).unwrap();
    for (id, name) in [(1, "app/log"), (2, "app/logs/app.conf")] {
        rig.capture(id, name, json!({})).write_all(b"aimed\n").unwrap();
        let cause = rig.until_report("lost")["cause"].take();
        assert!(cause.as_str().unwrap().contains(" a symbolic link in "), "{cause}");
    }
    assert_eq!(rig.end(), 0);
    assert!(!exists(&rig.path("roots/app.conf")));
}

#[test]
fn no_folder_is_reached_by_a_strangers_link() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::up();
    for (name, owner) in [("roots", 0), ("strangers", 12)] {
        fs::create_dir(rig.path(name)).unwrap();
        std::os::unix::fs::chown(rig.path(name), Some(owner), None).unwrap();
    }
    // A folder of the stranger's, in whose place the stranger then puts a link.
    rig.capture(1, "strangers/log/a", json!({"owner": [12, 12], "max_bytes": 4}));
    let mut pipe = rig.capture(2, "strangers/log/b", json!({"owner": [12, 12], "max_bytes": 4}));
    symlink(rig.path("roots"), rig.path("strangers/log")).unwrap();
    std::os::unix::fs::lchown(rig.path("strangers/log"), Some(12), None).unwrap();
    fs::write(rig.path("roots/b.1"), "precious").unwrap();
    pipe.write_all(b"one\ntwo\n").unwrap();
    let cause = rig.until_report("lost")["cause"].take();
    assert!(cause.as_str().unwrap().contains("a folder on its way is a symbolic link"), "{cause}");
    rig.order(json!({"clear": {"id": 1}}));
    assert!(rig.until_report("cleared")["error"].is_string());
    rig.change(2, "strangers/log/b", json!({"keep": 0}));
    assert_eq!(rig.end(), 0);
    let names: Vec<_> = fs::read_dir(rig.path("roots")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert_eq!(fs::read(rig.path("roots/b.1")).unwrap(), b"precious");
}

#[test]
fn a_file_with_two_names_is_refused_where_others_may_write() {
    let mut rig = Rig::up();
    fs::create_dir(rig.path("open")).unwrap();
    fs::write(rig.path("precious"), "kept\n").unwrap();
    for name in ["mine", "open/theirs"] {
        fs::hard_link(rig.path("precious"), rig.path(name)).unwrap();
    }
    fs::set_permissions(rig.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    rig.capture(1, "open/theirs", json!({})).write_all(b"aimed\n").unwrap();
    let cause = rig.until_report("lost")["cause"].take();
    assert!(cause.as_str().unwrap().contains("it has other names as well"), "{cause}");
    rig.capture(2, "mine", json!({})).write_all(b"meant\n").unwrap();
    assert_eq!(rig.end(), 0);
    assert_eq!(fs::read(rig.path("precious")).unwrap(), b"kept\nmeant\n");
}

#[test]
fn a_strangers_file_is_refused_where_others_may_put_one() {
    if !is_root() {
        return;
    }
    let mut rig = Rig::up();
    fs::create_dir(rig.path("open")).unwrap();
    fs::set_permissions(rig.path("open"), fs::Permissions::from_mode(0o1777)).unwrap();
    for (name, owner) in [("theirs", 54321), ("its", 12)] {
        let path = rig.path(&format!("open/{name}"));
        fs::write(&path, "before\n").unwrap();
        std::os::unix::fs::chown(path, Some(owner), None).unwrap();
    }
    rig.capture(1, "open/theirs", json!({"owner": [12, 12]})).write_all(b"read\n").unwrap();
    let cause = rig.until_report("lost")["cause"].take();
    assert!(cause.as_str().unwrap().contains("it belongs to 54321, in a folder that"), "{cause}");
    rig.capture(2, "open/its", json!({"owner": [12, 12]})).write_all(b"fine\n").unwrap();
    let mut pipe = rig.capture(3, "open/theirs", json!({"owner": [12, 12]}));
    rig.order(json!({"clear": {"id": 3}}));
    assert!(rig.until_report("cleared")["error"].is_string());
    pipe.write_all(b"read\n").unwrap();
    drop(pipe);
    assert_eq!(rig.end(), 0);
    assert_eq!(fs::read(rig.path("open/theirs")).unwrap(), b"before\n");
    assert_eq!(fs::read(rig.path("open/its")).unwrap(), b"before\nfine\n");
}

#[test]
fn cleared_is_the_file_and_the_old_ones_whether_it_is_open_or_not() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({"max_bytes": 4}));
    let log = rig.path("log");
    pipe.write_all(b"one\ntwo\nthree\n").unwrap();
    until("all is there", || size(&log) == 6);
    rig.order(json!({"clear": {"id": 1}}));
    assert_eq!(rig.until_report("cleared"), json!({"id": 1, "error": null}));
    assert_eq!(size(&log), 0);
    assert!(!exists(&rig.path("log.1")) && !exists(&rig.path("log.2")));

    fs::write(rig.path("idle"), "of another day\n").unwrap();
    rig.capture(2, "idle", json!({}));
    rig.order(json!({"clear": {"id": 2}}));
    assert_eq!(rig.until_report("cleared"), json!({"id": 2, "error": null}));
    assert_eq!(size(&rig.path("idle")), 0);

    fs::create_dir(rig.path("folder")).unwrap();
    rig.capture(3, "folder", json!({}));
    rig.order(json!({"clear": {"id": 3}}));
    let error = rig.until_report("cleared")["error"].take();
    assert!(error.as_str().unwrap().ends_with("/folder: it is a folder"), "{error}");
    rig.order(json!({"clear": {"id": 4}}));
    assert!(rig.until_report("cleared")["error"].is_string(), "there is none");
    pipe.write_all(b"new\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"new\n");
}

#[test]
fn a_change_counts_from_the_next_byte_on() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "old", json!({}));
    pipe.write_all(b"half a ").unwrap();
    let old = rig.path("old");
    until("it is there", || size(&old) == 7);
    rig.change(1, "new", json!({"timestamps": true}));
    let new = rig.path("new");
    pipe.write_all(b"line\n").unwrap();
    until("it is stamped", || size(&new) == 35);
    for number in 1..=4 {
        fs::write(rig.path(&format!("new.{number}")), "old").unwrap();
    }
    rig.change(1, "new", json!({"max_bytes": 5, "keep": 4}));
    rig.change(1, "new", json!({"max_bytes": 5, "keep": 1}));
    pipe.write_all(b"plain\n").unwrap();
    assert_eq!(rig.end(), 0);
    assert_eq!(fs::read(rig.path("old")).unwrap(), b"half a ");
    assert_eq!(fs::read(rig.path("new")).unwrap(), b"plain\n");
    assert_eq!(size(&rig.path("new.1")), 35);
    assert!(!exists(&rig.path("new.2")), "fewer are kept");
}

#[test]
fn files_that_were_moved_away_are_opened_anew_when_told_so() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({}));
    let (log, moved) = (rig.path("log"), rig.path("moved"));
    pipe.write_all(b"one\n").unwrap();
    until("it is there", || size(&log) == 4);
    fs::rename(&log, &moved).unwrap();
    pipe.write_all(b"two\n").unwrap();
    until("it is there", || size(&moved) == 8);
    rig.order(json!("reopen"));
    pipe.write_all(b"three\n").unwrap();
    until("it is there", || size(&log) == 6);
    fs::remove_file(&log).unwrap();
    pipe.write_all(b"four\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"four\n", "without being told so");
}

#[test]
fn a_stream_that_is_removed_is_moved_to_its_end_and_let_go() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "log", json!({}));
    pipe.write_all(b"last words\n").unwrap();
    rig.order(json!({"remove": {"id": 1}}));
    let (log, idle) = (rig.path("log"), Rig::up());
    until("it is there", || size(&log) == 11);
    until("nothing of it is open", || rig.open() == idle.open());
    pipe.write_all(b"to nobody\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"last words\n");
}

#[test]
fn signals_do_not_end_it() {
    let mut rig = Rig::up();
    for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1] {
        signal(rig.pid(), number);
    }
    rig.capture(1, "log", json!({})).write_all(b"still here\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"still here\n");
}

#[test]
fn orders_that_it_does_not_know_are_left_aside() {
    let mut rig = Rig::up();
    rig.order(json!({"fly": {"id": 1}}));
    rig.order(json!({"add": {"id": 1}}));
    rig.capture(1, "log", json!({})).write_all(b"fine\n").unwrap();
    assert_eq!(rig.logged("log").concat(), b"fine\n");
}

#[test]
fn without_its_socket_it_says_so_and_ends() {
    let mut command = taskmaster();
    command.arg("logger");
    let said = finished(command);
    assert_eq!(said.status, 2);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(said.err.starts_with("taskmaster logger: standard input is not "), "{}", said.err);
}

/// A process that is ended with the test.
struct Offered(Child);

impl Drop for Offered {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_file_that_refuses_splice_is_written_to_all_the_same() {
    // The kernel has no way to splice into these; a process may always offer itself.
    let offered = Offered(Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap());
    let file = format!("/proc/{}/oom_score_adj", offered.0.id());
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, &file, json!({}));
    pipe.write_all(b"900\n").unwrap();
    until("it is written", || fs::read_to_string(&file).unwrap() == "900\n");
    // What no file would take is lost as ever, and is told.
    pipe.write_all(b"no number\n").unwrap();
    assert_eq!(rig.until_report("lost")["bytes"], 10);
}
