//! What root trusts and whom it becomes: only root has anything to fear here.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use nix::unistd::User;

use crate::bench::{Bench, finished, is_root, status_of};

const SLEEPER: &str = "a: {cmd: sleep 1000, starttime: 0}";

fn mode(bench: &Bench, name: &str, mode: u32) {
    fs::set_permissions(bench.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// The daemon and `check` both refuse this configuration, and name the way out.
fn is_refused(bench: &Bench, way_out: &str) {
    for said in [finished(bench.daemon_command()), bench.check()] {
        assert_eq!(said.status, 2, "{said:?}");
        assert!(said.err.contains(way_out), "{way_out:?} is not in {}", said.err);
    }
}

#[test]
fn a_configuration_that_others_may_write_is_refused() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(SLEEPER);
    for bits in [0o664, 0o646] {
        mode(&bench, "taskmaster.yaml", bits);
        is_refused(&bench, "chmod go-w taskmaster.yaml");
    }
    mode(&bench, "taskmaster.yaml", 0o644);
    assert_eq!(bench.check().status, 0);
}

#[test]
fn a_configuration_of_somebody_elses_is_refused() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(SLEEPER);
    chown(bench.path("taskmaster.yaml"), Some(54321), None).unwrap();
    is_refused(&bench, "chown root taskmaster.yaml");
}

#[test]
fn so_is_one_in_a_folder_that_others_may_write_unless_it_is_sticky() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(SLEEPER);
    mode(&bench, "", 0o775);
    is_refused(&bench, "chmod go-w ");
    mode(&bench, "", 0o1777);
    assert_eq!(bench.check().status, 0);
}

#[test]
fn so_is_an_included_one() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("");
    fs::create_dir(bench.path("conf.d")).unwrap();
    bench.write("conf.d/a.yaml", "programs: {a: {cmd: sleep 1000}}\n");
    bench.write("taskmaster.yaml", "include: [conf.d/*.yaml]\n");
    assert_eq!(bench.check().status, 0);
    mode(&bench, "conf.d/a.yaml", 0o666);
    is_refused(&bench, "chmod go-w ");
}

#[test]
fn a_link_of_somebody_elses_leads_to_no_configuration() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(SLEEPER);
    fs::rename(bench.path("taskmaster.yaml"), bench.path("real.yaml")).unwrap();
    symlink("real.yaml", bench.path("taskmaster.yaml")).unwrap();
    assert_eq!(bench.check().status, 0);
    std::os::unix::fs::lchown(bench.path("taskmaster.yaml"), Some(54321), None).unwrap();
    is_refused(&bench, "name the file itself");
    // Root's own link leads into a folder that others may write.
    fs::create_dir(bench.path("open")).unwrap();
    fs::rename(bench.path("real.yaml"), bench.path("open/real.yaml")).unwrap();
    fs::remove_file(bench.path("taskmaster.yaml")).unwrap();
    symlink("open/real.yaml", bench.path("taskmaster.yaml")).unwrap();
    assert_eq!(bench.check().status, 0);
    mode(&bench, "open", 0o777);
    is_refused(&bench, "chmod go-w ");
}

#[test]
fn roots_shell_goes_nowhere_a_strangers_file_sends_it() {
    if !is_root() {
        return;
    }
    let bench = Bench::up(SLEEPER);
    assert_eq!(bench.ctl("version").status, 0);
    chown(bench.path("taskmaster.yaml"), Some(54321), None).unwrap();
    let said = bench.ctl("version");
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.err.contains("chown root "), "{said:?}");
}

#[test]
fn a_state_folder_that_others_may_write_is_refused() {
    let bench = Bench::new(SLEEPER);
    fs::create_dir(bench.path("state")).unwrap();
    for bits in [0o770, 0o777] {
        mode(&bench, "state", bits);
        let said = finished(bench.daemon_command());
        assert_eq!(said.status, 1, "{said:?}");
        assert!(
            said.err.contains("chmod go-w ") && said.err.contains("daemon.state_dir"),
            "{said:?}"
        );
    }
    if is_root() {
        mode(&bench, "state", 0o700);
        chown(bench.path("state"), Some(54321), None).unwrap();
        let said = finished(bench.daemon_command());
        assert_eq!(said.status, 1, "{said:?}");
        assert!(said.err.contains("it belongs to 54321"), "{said:?}");
    }
    assert!(!bench.path("state/secret").exists());
}

#[test]
fn a_state_folder_that_a_stranger_can_swap_is_refused() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new(SLEEPER);
    bench.write("taskmaster.yaml", "daemon: {listen: '127.0.0.1:0', state_dir: app/state}\n");
    fs::create_dir(bench.path("app")).unwrap();
    fs::create_dir(bench.path("roots")).unwrap();
    mode(&bench, "roots", 0o700);
    chown(bench.path("app"), Some(54321), None).unwrap();
    symlink(bench.path("roots"), bench.path("app/state")).unwrap();
    for owner in [54321, 0] {
        std::os::unix::fs::lchown(bench.path("app/state"), Some(owner), None).unwrap();
        let said = finished(bench.daemon_command());
        assert_eq!(said.status, 1, "{said:?}");
        let told = ["app/state is not safe: a folder on its way is a symbolic link", "state_dir"];
        assert!(told.iter().all(|part| said.err.contains(part)), "{said:?}");
    }
    assert_eq!(fs::read_dir(bench.path("roots")).unwrap().count(), 0);
    fs::remove_file(bench.path("app/state")).unwrap();
    bench.start();
    bench.stop();
}

#[test]
fn nor_is_one_made_anew_where_a_stranger_can_swap_it() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new(SLEEPER);
    bench.start();
    bench.until_state("a", "RUNNING");
    fs::create_dir(bench.path("roots")).unwrap();
    mode(&bench, "roots", 0o700);
    let mut client = bench.client();
    // What the owner of the folder above can do.
    fs::rename(bench.path("state"), bench.path("away")).unwrap();
    symlink("roots", bench.path("state")).unwrap();
    std::os::unix::fs::lchown(bench.path("state"), Some(54321), None).unwrap();
    let answer = client.ask("disable a");
    assert_eq!(answer.last().unwrap()["end"]["exit"], 1, "{answer:?}");
    assert!(format!("{answer:?}").contains("a symbolic link that neither root"), "{answer:?}");
    assert_eq!(fs::read_dir(bench.path("roots")).unwrap().count(), 0);
    fs::remove_file(bench.path("state")).unwrap();
    let answer = client.ask("disable a");
    assert_eq!(answer.last().unwrap()["end"]["exit"], 0, "{answer:?}");
}

#[test]
fn an_env_file_that_others_may_write_is_a_failed_start() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("a: {cmd: sleep 1000, env_file: vars, startretries: 0}");
    bench.write("vars", "A=1\n");
    mode(&bench, "vars", 0o666);
    bench.start();
    bench.until_state("a", "FATAL");
    let why = bench.row("a")["description"].as_str().unwrap().to_owned();
    assert!(why.contains("chmod go-w") && why.contains("vars"), "{why}");
}

#[test]
fn the_daemon_becomes_its_user_and_gives_it_what_it_needs() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    bench.configure_daemon(
        "user: games,",
        "a: {cmd: [sh, -c, echo x; exec sleep 1000], starttime: 0}",
    );
    bench.start();
    bench.until_state("a", "RUNNING");
    bench.until("it prints", |bench| bench.path("state/log/a.stdout.log").exists());
    let games = User::from_name("games").unwrap().unwrap();
    let (uid, gid) = (games.uid.as_raw(), games.gid.as_raw());
    for pid in [bench.pid(), bench.pid_of("a")] {
        assert_eq!(status_of(pid, "Uid"), format!("{uid}\t{uid}\t{uid}\t{uid}"));
        assert_eq!(status_of(pid, "Gid"), format!("{gid}\t{gid}\t{gid}\t{gid}"));
        assert_eq!(status_of(pid, "CapEff"), "0000000000000000");
    }
    let mine = ["", "/lock", "/address", "/secret", "/taskmaster.log", "/log", "/log/a.stdout.log"];
    for name in mine {
        let about = fs::metadata(bench.path(&format!("state{name}"))).unwrap();
        assert_eq!((about.uid(), about.gid()), (uid, gid), "state{name}");
    }
    // It can do on its own what a reload and an end need.
    assert_eq!(bench.ctl("reload").status, 0);
    bench.stop();
    assert!(!bench.path("state/address").exists());
    bench.start();
    bench.stop();
}

#[test]
fn it_does_not_start_as_a_user_that_is_not_there() {
    if !is_root() {
        return;
    }
    let bench = Bench::new("");
    bench.configure_daemon("user: nosuch,", SLEEPER);
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("daemon.user: no such user: nosuch"), "{}", said.err);
    assert!(!bench.path("state/address").exists());
}

#[test]
fn the_daemons_user_cannot_aim_roots_hand_at_another_file() {
    if !is_root() {
        return;
    }
    let mut bench = Bench::new("");
    bench.configure_daemon("user: games,", SLEEPER);
    bench.start();
    bench.stop();
    // What that user can do between two starts.
    let victim = bench.write("victim", "");
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(bench.path("state/taskmaster.log")).unwrap();
    symlink(&victim, bench.path("state/taskmaster.log")).unwrap();
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("taskmaster.log: Permission denied"), "{}", said.err);
    assert_eq!((bench.read("victim").as_str(), fs::metadata(&victim).unwrap().uid()), ("", 0));
}

/// A user that every system has, and that is not root.
fn nobody() -> Option<User> {
    User::from_name("nobody").ok().flatten().filter(|_| is_root())
}

#[test]
fn a_folder_that_is_roots_is_never_given_away() {
    let Some(user) = nobody() else { return };
    let bench = Bench::new(SLEEPER);
    bench.configure_daemon("user: nobody,", SLEEPER);
    fs::create_dir(bench.path("state")).unwrap();
    bench.write("state/shadow", "root's own");
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("chown -R nobody"), "{said:?}");
    // Nor is one at the end of a link, wherever in the path the link is.
    fs::rename(bench.path("state"), bench.path("other")).unwrap();
    symlink("other", bench.path("state")).unwrap();
    assert_eq!(finished(bench.daemon_command()).status, 1);
    for name in ["other", "other/shadow"] {
        assert_eq!(fs::metadata(bench.path(name)).unwrap().uid(), 0, "{name}");
    }
    // Given by hand, it is taken.
    fs::remove_file(bench.path("state")).unwrap();
    fs::create_dir(bench.path("state")).unwrap();
    chown(bench.path("state"), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    let mut bench = bench;
    bench.start();
    bench.until_state("a", "RUNNING");
}

#[test]
fn the_event_log_follows_no_link_of_somebody_elses() {
    let Some(user) = nobody() else { return };
    let bench = Bench::new(SLEEPER);
    bench.configure_daemon("log: {file: link.log},", SLEEPER);
    bench.write("precious", "root's own");
    symlink("precious", bench.path("link.log")).unwrap();
    std::os::unix::fs::lchown(bench.path("link.log"), Some(user.uid.as_raw()), None).unwrap();
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("symbolic link"), "{said:?}");
    assert_eq!(bench.read("precious"), "root's own");
    // One of root's own is followed, where nobody can put another in its place.
    std::os::unix::fs::lchown(bench.path("link.log"), Some(0), None).unwrap();
    fs::create_dir(bench.path("theirs")).unwrap();
    fs::rename(bench.path("link.log"), bench.path("theirs/link.log")).unwrap();
    mode(&bench, "theirs", 0o777);
    bench.configure_daemon("log: {file: theirs/link.log},", SLEEPER);
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(
        said.err.contains("where others could put another in its place: name what it"),
        "{said:?}"
    );
    fs::rename(bench.path("theirs/link.log"), bench.path("link.log")).unwrap();
    bench.configure_daemon("log: {file: link.log},", SLEEPER);
    let mut bench = bench;
    bench.start();
    bench.until("it is written to", |bench| bench.read("precious").contains("daemon started"));
}

#[test]
fn the_event_log_is_no_file_that_a_stranger_put_there() {
    if !is_root() {
        return;
    }
    let bench = Bench::new(SLEEPER);
    bench.configure_daemon("log: {file: open/log},", SLEEPER);
    fs::create_dir(bench.path("open")).unwrap();
    mode(&bench, "open", 0o1777);
    chown(bench.write("open/log", ""), Some(54321), None).unwrap();
    let said = finished(bench.daemon_command());
    assert_eq!(said.status, 1, "{said:?}");
    assert!(said.err.contains("open/log: it belongs to 54321"), "{said:?}");
    assert_eq!(bench.read("open/log"), "");
    fs::remove_file(bench.path("open/log")).unwrap();
    let mut bench = bench;
    bench.start();
    bench.stop();
    bench.start();
}
