//! Files that cannot be written to: the program goes on, and what is lost is counted.

use std::fs;
use std::io::{PipeWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::rig::{Rig, flood, lines, size};
use crate::bench::{is_root, signal, status_of, until};
use crate::inject::Fault;

/// A disk of 1 MiB.
struct Disk(PathBuf);

impl Disk {
    /// None where it cannot be had.
    fn at(path: &Path) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(path);
        let is_mounted = is_root() && mount.status().is_ok_and(|status| status.success());
        is_mounted.then(|| Self(path.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// How many bytes of output a file holds, with or without stamps.
fn output(path: &Path, is_stamped: bool) -> u64 {
    let text = fs::read(path).unwrap_or_default();
    let stamps = text.split_inclusive(|byte| *byte == b'\n').count();
    (text.len() - if is_stamped { 30 * stamps } else { 0 }) as u64
}

fn fills_the_disk(is_stamped: bool) {
    let mut rig = Rig::up();
    let Some(disk) = Disk::at(&rig.path("disk")) else { return };
    fs::write(disk.0.join("ballast"), vec![0; 500_000]).unwrap();
    let log = disk.0.join("log");
    let mut pipe: PipeWriter = rig.capture(1, "disk/log", json!({"timestamps": is_stamped}));
    let text = lines(3_000_000);
    let mut written = text.len() as u64;
    flood(pipe.try_clone().unwrap(), text).join().unwrap();
    until("all is accounted for", || output(&log, is_stamped) + rig.lost(1) == written);
    let report = &rig.reports()[0]["lost"];
    let cause = format!("writing {}: No space left on device", log.display());
    assert_eq!(report["cause"], json!(cause));

    // Each line is tried anew, until one gets through.
    fs::remove_file(disk.0.join("ballast")).unwrap();
    until("it recovers", || {
        pipe.write_all(b"more\n").unwrap();
        written += 5;
        rig.reports().last().is_some_and(|report| *report == json!({"recovered": {"id": 1}}))
    });
    pipe.write_all(b"fine again\n").unwrap();
    written += 11;
    until("all is accounted for", || output(&log, is_stamped) + rig.lost(1) == written);
    assert!(rig.reports().len() <= 10, "{:?}", rig.reports());
    assert!(fs::read(&log).unwrap().ends_with(b"fine again\n"));
    rig.end();
}

#[test]
fn a_full_disk_costs_what_does_not_fit_and_no_byte_more() {
    fills_the_disk(false);
}

#[test]
fn a_full_disk_tears_no_stamp() {
    fills_the_disk(true);
}

#[test]
fn losses_are_told_at_once_and_then_once_a_second() {
    let mut rig = Rig::up();
    fs::create_dir(rig.path("log")).unwrap();
    let pipe = rig.capture(1, "log", json!({}));
    let text = lines(64 * 1024 * 1024);
    let written = text.len() as u64;
    flood(pipe, text).join().unwrap();
    until("all is told", || rig.lost(1) == written);
    let reports = rig.reports().len();
    assert!(reports <= 10, "{reports} reports");
}

#[test]
fn a_file_that_cannot_be_rotated_is_trouble_and_stays_within_its_limit() {
    // Not even root can rename a file to a folder.
    let mut rig = Rig::up();
    fs::create_dir(rig.path("log.1")).unwrap();
    let mut pipe = rig.capture(1, "log", json!({"max_bytes": 10, "keep": 1}));
    pipe.write_all(b"12345678\nabc\n").unwrap();
    let lost = rig.until_report("lost");
    let cause = format!("rotating {}: Is a directory", rig.path("log").display());
    assert_eq!(lost, json!({"id": 1, "bytes": 4, "cause": cause}));
    assert_eq!(size(&rig.path("log")), 9);
    fs::remove_dir(rig.path("log.1")).unwrap();
    let mut sent = 0;
    until("it recovers", || {
        pipe.write_all(b"abc\n").unwrap();
        sent += 4;
        rig.reports().last().is_some_and(|report: &Value| report.get("recovered").is_some())
    });
    let lost = rig.lost(1);
    rig.change(1, "log", json!({}));
    assert_eq!(rig.logged("log").len(), 2);
    assert!(lost < sent);
}

#[test]
fn a_folder_that_comes_to_be_is_enough_to_recover() {
    let mut rig = Rig::up();
    let mut pipe = rig.capture(1, "a/b/log", json!({}));
    pipe.write_all(b"lost\n").unwrap();
    assert_eq!(rig.until_report("lost")["bytes"], 5);
    fs::create_dir(rig.path("a")).unwrap();
    rig.order(json!("reopen"));
    pipe.write_all(b"kept\n").unwrap();
    rig.until_report("recovered");
    let folder = fs::metadata(rig.path("a/b")).unwrap().permissions();
    assert_eq!(folder.mode() & 0o777, 0o700);
    assert_eq!(rig.logged("a/b/log").concat(), b"kept\n");
}

/// A stream that cannot be recorded, and of which that has been told: its next loss is told with
/// what comes within a second.
fn losing() -> (Rig, std::io::PipeWriter) {
    let mut rig = Rig::up();
    fs::create_dir(rig.path("log")).unwrap();
    let mut pipe = rig.capture(1, "log", json!({}));
    pipe.write_all(b"first").unwrap();
    until("the first loss is told", || rig.lost(1) == 5);
    (rig, pipe)
}

#[test]
fn of_a_stream_that_is_removed_all_is_told_before_that() {
    let (mut rig, mut pipe) = losing();
    pipe.write_all(b"and last").unwrap();
    rig.order(json!({"remove": {"id": 1}}));
    assert_eq!(rig.until_report("removed"), json!({"id": 1}));
    assert_eq!(rig.lost(1), 13);
    // There is none by now, and who asks is answered all the same.
    rig.order(json!({"remove": {"id": 1}}));
    assert_eq!(rig.until_report("removed"), json!({"id": 1}));
    assert_eq!(rig.end(), 0);
}

#[test]
fn what_is_lost_last_is_told_before_it_ends() {
    let (mut rig, mut pipe) = losing();
    // This one waits for a second to be over, and nobody waits for that.
    pipe.write_all(b"and last").unwrap();
    rig.order(json!("finish"));
    until("all is told", || rig.lost(1) == 13);
    assert_eq!(rig.end(), 0);
}

/// A thousand streams lose what they print last, which is more than the socket takes word of. None
/// where the disk cannot be made so slow.
fn a_thousand_lose_to_the_end(slow: Option<&str>) -> Option<()> {
    let mut rig = Rig::up();
    fs::create_dir(rig.path("log")).unwrap();
    let mut pipes: Vec<_> = (1..=1000).map(|id| rig.capture(id, "log", json!({}))).collect();
    // So that it learns of all at once.
    rig.order(json!({"clear": {"id": 0}}));
    rig.until_report("cleared");
    let fault = slow.map(|inject| Fault::of(rig.pid(), None, inject));
    if let Some(None) = fault {
        return None;
    }
    signal(rig.pid(), libc::SIGSTOP);
    // First, so that nothing is moved before it is heard.
    rig.order(json!("finish"));
    pipes.iter_mut().for_each(|pipe| pipe.write_all(b"lost").unwrap());
    signal(rig.pid(), libc::SIGCONT);
    let mut looks = 0;
    until("it waits for room in the socket, or has ended", || {
        let is_still = ["S", "Z"].iter().any(|s| status_of(rig.pid(), "State").starts_with(s));
        looks = if is_still { looks + 1 } else { 0 };
        looks > 10
    });
    until("all are told", || (1..=1000).all(|id| rig.lost(id) == 4));
    drop(fault);
    assert_eq!(rig.end(), 0);
    Some(())
}

#[test]
fn a_thousand_streams_that_lose_to_the_end_are_all_told() {
    a_thousand_lose_to_the_end(None).unwrap();
}

#[test]
fn however_long_the_last_of_it_takes_all_that_is_lost_is_told() {
    // Longer than a daemon that does not listen is waited for.
    let _ = a_thousand_lose_to_the_end(Some("splice:delay_enter=1500ms:when=1"));
}
