//! Which places may hang: those on file systems across a network or in a user's process.
//!
//! Any question to such a file system may itself hang, even statfs(2). So none is asked: the
//! kernel's own table of mounts tells, and of a path no more is looked at than lies before one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The file systems that wait for somebody else, as mountinfo calls them; and `fuse.` with whatever
/// follows. An automount point waits for what it mounts.
const SLOW: [&str; 15] = [
    "9p", "afs", "autofs", "beegfs", "ceph", "cifs", "coda", "fuse", "fuseblk", "gpfs", "lustre",
    "nfs", "nfs4", "smb3", "virtiofs",
];

/// Nothing lies there that is run or printed to, but an automount point of systemd's on nearly every
/// machine.
const NOWHERE: [&str; 2] = ["/proc", "/sys"];

/// Symbolic links that are followed, as many as the kernel does (path_resolution(7)).
const LINKS: u32 = 40;

/// The mounts of this process, as they are now.
#[derive(Debug)]
pub struct Mounts(RefCell<Known>);

#[derive(Debug)]
struct Known {
    /// Where they can be read. Without it nothing is known to hang.
    table: Option<File>,
    /// Those that are slow and those that lie under such a one, the newest last, and which they are.
    points: Vec<(PathBuf, bool)>,
}

impl Mounts {
    /// Reads them.
    pub fn new() -> Self {
        let mut known =
            Known { table: File::open("/proc/self/mountinfo").ok(), points: Vec::new() };
        known.read();
        Self(RefCell::new(known))
    }

    /// Whether to reach what lies at one of these paths, or to find that nothing does, may take for
    /// ever.
    pub fn any_may_hang(&self, mut paths: impl Iterator<Item = PathBuf>) -> bool {
        let mut known = self.0.borrow_mut();
        if known.have_changed() {
            known.read();
        }
        !known.points.is_empty() && paths.any(|path| leads_to_slow(&path, &known.points))
    }
}

impl Known {
    /// Whether anything was mounted or unmounted since this was last asked, see proc(5).
    fn have_changed(&self) -> bool {
        let Some(table) = &self.table else { return false };
        let mut fds = [PollFd::new(table.as_fd(), PollFlags::POLLPRI)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|changed| changed > 0)
    }

    fn read(&mut self) {
        let Some(table) = &mut self.table else { return };
        // What cannot be read is as it was.
        if let Ok(text) = whole(table) {
            self.points = points(&text);
        }
    }
}

fn whole(table: &mut File) -> io::Result<Vec<u8>> {
    table.rewind()?;
    let mut text = Vec::new();
    table.read_to_end(&mut text)?;
    Ok(text)
}

/// What /proc/self/mountinfo says, as far as it matters: nothing on most machines.
fn points(text: &[u8]) -> Vec<(PathBuf, bool)> {
    let line = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let point = PathBuf::from(unescape(fields.nth(4)?));
        // Optional fields end with a lone dash.
        let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
        let is_slow = kind.starts_with(b"fuse.") || SLOW.iter().any(|slow| slow.as_bytes() == kind);
        NOWHERE.iter().all(|nowhere| !point.starts_with(nowhere)).then_some((point, is_slow))
    };
    let mut points: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(line).collect();
    let slow: Vec<_> = points.iter().filter(|(_, is_slow)| *is_slow).cloned().collect();
    points.retain(|(point, _)| slow.iter().any(|(slow, _)| point.starts_with(slow)));
    points
}

/// Space, tab, newline and backslash are three octal digits there.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((byte, behind)) = rest.split_first() {
        match (byte, behind) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = behind;
            }
            _ => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// Goes along the path as the kernel would, and stops where it comes to a slow file system.
fn leads_to_slow(path: &Path, points: &[(PathBuf, bool)]) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let mut ahead: VecDeque<OsString> = names(&path).collect();
    let (mut here, mut links) = (PathBuf::from("/"), 0);
    if is_slow(&here, points) {
        return true;
    }
    loop {
        let Some(name) = ahead.pop_front() else { return false };
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(name);
        if is_slow(&next, points) {
            return true;
        }
        // It lies on a file system that answers.
        match fs::read_link(&next) {
            Ok(target) => {
                links += 1;
                if links > LINKS {
                    return false;
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for name in names(&target).rev() {
                    ahead.push_front(name);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => here = next,
            Err(_) => return false,
        }
    }
}

/// What there is to go through.
fn names(path: &Path) -> impl DoubleEndedIterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsStr::from_bytes(b"..").to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

/// The innermost mount counts, and of several on one place the newest.
fn is_slow(place: &Path, points: &[(PathBuf, bool)]) -> bool {
    let above = points.iter().filter(|(point, _)| place.starts_with(point));
    above.max_by_key(|(point, _)| point.as_os_str().len()).is_some_and(|(_, is_slow)| *is_slow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const TABLE: &[u8] = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        30 22 0:40 / /srv/a\\040b rw,relatime shared:9 master:2 - nfs4 host:/x rw\n\
        31 30 8:2 / /srv/a\\040b/local rw - xfs /dev/sdb rw\n\
        32 22 0:41 / /media/me rw - fuse.sshfs host: rw\n\
        33 22 0:42 / /auto rw - autofs systemd-1 rw\n\
        34 33 8:3 / /auto rw - vfat /dev/sdc rw\n\
        35 24 0:43 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n\
        36 23 0:44 / /sys/fs/fuse/connections rw - fusectl fusectl rw\n\
        odd\n";

    #[test]
    fn the_innermost_and_newest_mount_tells() {
        let points = points(TABLE);
        let slow = |place: &str| is_slow(Path::new(place), &points);
        for place in ["/srv/a b", "/srv/a b/bin/x", "/media/me"] {
            assert!(slow(place), "{place}");
        }
        for place in ["/", "/srv", "/srv/a b/local/x", "/media/men", "/auto/x"] {
            assert!(!slow(place), "{place}");
        }
    }

    #[test]
    fn no_more_is_kept_than_matters() {
        let kept = points(TABLE);
        let kept: Vec<_> = kept.iter().map(|(point, _)| point.to_str().unwrap()).collect();
        assert_eq!(kept, ["/srv/a b", "/srv/a b/local", "/media/me", "/auto", "/auto"]);
        assert_eq!(points(b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"), []);
        assert_eq!(points(b""), []);
    }

    #[test]
    fn links_are_followed_up_to_what_is_slow() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        for name in ["net", "bin"] {
            fs::create_dir(at(name)).unwrap();
        }
        symlink("../net/app", at("bin/app")).unwrap();
        symlink(at("bin"), at("whole")).unwrap();
        symlink("round", at("round")).unwrap();
        fs::write(at("bin/own"), "").unwrap();
        let points = [(PathBuf::from("/"), false), (at("net"), true)];
        let slow = |name: &str| leads_to_slow(&at(name), &points);
        for name in ["net", "net/x", "bin/app", "whole/app", "bin/../net", "whole/../net/x"] {
            assert!(slow(name), "{name}");
        }
        for name in ["bin/own", "whole/own", "round", "missing/../net", "net/../bin/own"] {
            let expected = name.starts_with("net");
            assert_eq!(slow(name), expected, "{name}");
        }
    }

    #[test]
    fn the_table_of_this_process_can_be_read() {
        let mounts = Mounts::new();
        let mut known = mounts.0.borrow_mut();
        assert!(!known.have_changed());
        let text = whole(known.table.as_mut().unwrap()).unwrap();
        assert!(text.split(|byte| *byte == b'\n').count() > 1);
        // What is where only this machine knows; it is asked all the same.
        drop(known);
        mounts.any_may_hang([PathBuf::from("/proc/self/status")].into_iter());
    }
}
