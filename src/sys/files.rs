//! Files opened with care: private ones, logs of programs, and those that must be trusted.
#![allow(unsafe_code)] // close_range(2)

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::place::{Place, Stranger, own_links, stranger};

/// Makes a folder and those above it, which nobody else may write; the last one is for this user
/// alone.
///
/// # Errors
/// Those of mkdir(2). A folder that is there already is none.
pub fn make_private_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        // Another has been faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Opens a file for reading and writing that only this user may read, made if need be.
///
/// # Errors
/// Those of open(2). A symbolic link is refused.
pub fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Replaces a file at once with one that only this user may read: a reader sees the old text
/// or the new.
///
/// # Errors
/// Those of the system calls. The old file is then as it was.
pub fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    replace(path, text, |_| Ok(()))
}

/// The same, and once it returns, the new text is there whatever becomes of the machine.
///
/// # Errors
/// As [`write_private`].
pub fn write_durably(path: &Path, text: &[u8]) -> io::Result<()> {
    replace(path, text, File::sync_all)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// As [`write_private`], in a folder that need not be this user's: it is reached by the rule of
/// [`own_links`].
///
/// # Errors
/// Those of the system calls; a link of someone else's.
pub fn put_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let place = Place::of(path, &mut own_links)?;
    let new = place.beside(".new")?;
    let _ = new.remove();
    let mut file = new.open(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, 0o600)?;
    let done = file.write_all(text).and_then(|()| new.rename(&place));
    if done.is_err() {
        let _ = new.remove();
    }
    done
}

fn replace(path: &Path, text: &[u8], then: fn(&File) -> io::Result<()>) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    let _ = fs::remove_file(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    let written = file.write_all(text).and_then(|()| then(&file));
    let done = written.and_then(|()| fs::rename(new, path));
    if done.is_err() {
        let _ = fs::remove_file(new);
    }
    done
}

/// Opens a regular file for reading, so that a FIFO cannot hold the caller up.
///
/// # Errors
/// Those of open(2); one that is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?)
}

/// The same of one with a secret in it: by no link that somebody else could aim at another file, and
/// where others may put files, only if it has no other name. Who decides which file that is knows
/// what the secret is.
///
/// # Errors
/// As [`open_regular`]; that it is found by such a link, or has other names.
pub fn open_own(path: &Path) -> io::Result<File> {
    let place = Place::behind(path, &mut own_links)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = regular(place.open(flags, 0)?)?;
    place.is_the_only_name(&file.metadata()?)?;
    Ok(file)
}

/// The same as [`open_regular`], by no symbolic link at the end of its path, and only if it has no
/// other name.
///
/// # Errors
/// Those of open(2); one that is no such file.
pub fn open_by_its_only_name(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = regular(OpenOptions::new().read(true).custom_flags(flags).open(path)?)?;
    match file.metadata()?.nlink() {
        0 | 1 => Ok(file),
        _ => Err(other("it has other names as well")),
    }
}

/// The file, if it is a regular one.
///
/// # Errors
/// Those of fstat(2); what it is instead.
pub fn regular(file: File) -> io::Result<File> {
    let about = file.metadata()?;
    if about.is_file() {
        return Ok(file);
    }
    Err(other(if about.is_dir() { "it is a folder" } else { "it is no regular file" }))
}

/// All of a file as text, if it holds no more than `limit` bytes.
///
/// # Errors
/// As [`read_all`]; what is not UTF-8.
pub fn read_text(file: File, limit: u64) -> io::Result<String> {
    String::from_utf8(read_all(file, limit)?).map_err(|_| other("it is not UTF-8 text"))
}

/// All of a file, if it holds no more than `limit` bytes.
///
/// # Errors
/// Those of read(2); one that is larger.
pub fn read_all(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(other(&format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Opens the file that a program's output is appended to.
///
/// A new one belongs to `owner` (user, group) if given. A symbolic link, also among the folders,
/// is followed only by the rule of [`own_links`]. A FIFO that nobody reads is an error rather than a
/// wait.
///
/// # Errors
/// Those of the system calls; a link of someone else's; a file of someone else's where others may
/// put one.
pub fn open_log(path: &Path, owner: Option<(u32, u32)>) -> io::Result<File> {
    let place = Place::behind(path, &mut own_links)?;
    let existing = || place.open(log_flags(), 0);
    let file = match existing() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match make_log(&place, owner) {
            // Somebody was quicker: once more.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => existing()?,
            made => made?,
        },
        found => found?,
    };
    let about = file.metadata()?;
    place.is_the_only_name(&about)?;
    place.is_no_strangers(&about, owner.map(|(user, _)| user))?;
    let kind = about.file_type();
    if kind.is_block_device() || kind.is_socket() {
        return Err(other("it is a block device or a socket"));
    }
    // Only the opening may not wait: the program writes to it as to any file.
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// Opens a log for reading, by the same rule for links as [`open_log`].
///
/// # Errors
/// Those of open(2); one that is no regular file; a link of someone else's, or a file of which
/// others may have made a second name.
pub fn read_log(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let place = Place::behind(path, &mut own_links)?;
    let file = regular(place.open(flags, 0)?)?;
    place.is_the_only_name(&file.metadata()?)?;
    Ok(file)
}

fn log_flags() -> OFlag {
    OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NONBLOCK | OFlag::O_NOCTTY
}

/// Makes a log that is not there, and gives that very file away.
fn make_log(place: &Place, owner: Option<(u32, u32)>) -> io::Result<File> {
    let file = place.open(log_flags() | OFlag::O_CREAT | OFlag::O_EXCL, 0o644)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group))?;
    }
    Ok(file)
}

/// Why a file with a secret in it is not private, with the command that mends it.
pub fn exposed(file: &File, path: &Path) -> Option<String> {
    let about = file.metadata().ok()?;
    let shown = path.display();
    if ![0, super::users::me()].contains(&about.uid()) {
        let owner = super::users::called(about.uid());
        return Some(format!("it belongs to {owner}: chown {} {shown}", super::users::me()));
    }
    (about.mode() & 0o027 != 0)
        .then(|| format!("others may read it, or its group write it: chmod 600 {shown}"))
}

/// A file in memory that holds this, to be read from its beginning by who gets the descriptor.
///
/// # Errors
/// Those of memfd_create(2) and write(2).
pub fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let mut file = File::from(nix::sys::memfd::memfd_create(c"taskmaster", flags)?);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// Why what lies in a folder is not this user's alone, with the command that mends it: who may
/// write there can put files of their own in the place of any, unless the folder is sticky.
pub fn open_to_others(folder: &Path) -> Option<String> {
    let about = fs::metadata(folder).ok()?;
    let (me, shown) = (super::users::me(), folder.display());
    Some(match stranger(about.uid(), about.mode(), &[me])? {
        Stranger::Owner(owner) => {
            format!("it belongs to {}: chown {me} {shown}", super::users::called(owner))
        }
        Stranger::Writers => format!("others may write to it: chmod go-w {shown}"),
    })
}

/// Whose a folder is; none if there is none. A link is not followed, and is nobody's folder.
pub fn owner_of_folder(folder: &Path) -> Option<u32> {
    fs::symlink_metadata(folder)
        .ok()
        .map(|about| if about.is_dir() { about.uid() } else { u32::MAX })
}

/// Whether everything above this path that exists belongs to root, and nobody else may rename or
/// replace it. A sticky folder passes: what is root's in it stays.
pub fn only_root_can_change(path: &Path) -> bool {
    let existing = path.ancestors().skip(1).find_map(|folder| fs::canonicalize(folder).ok());
    let safe = |folder: &Path| {
        fs::symlink_metadata(folder)
            .is_ok_and(|about| stranger(about.uid(), about.mode(), &[]).is_none())
    };
    existing.is_some_and(|folder| folder.ancestors().all(safe))
}

/// The size of this open file, if it is the one at this path.
pub fn size_at(file: BorrowedFd<'_>, path: &Path) -> Option<u64> {
    let number = |about: &nix::sys::stat::FileStat| (about.st_dev, about.st_ino);
    let opened = nix::sys::stat::fstat(file).ok()?;
    let there = nix::sys::stat::lstat(path).ok()?;
    let size = u64::try_from(opened.st_size).ok()?;
    (number(&opened) == number(&there)).then_some(size)
}

/// Whether this open file is the one at this path.
pub fn is_at(file: BorrowedFd<'_>, path: &Path) -> bool {
    size_at(file, path).is_some()
}

/// Keeps room on the disk for a file to grow to this size, where the file system can: without it
/// a write may fail later, and that is all.
pub fn reserve(file: &File, size: u64) {
    let size = libc::off_t::try_from(size).unwrap_or(libc::off_t::MAX);
    let _ = nix::fcntl::fallocate(file, nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, size);
}

/// Gives a file or folder to a user, and keeps it private.
///
/// # Errors
/// Those of chown(2).
pub fn give(path: &Path, user: u32, group: u32) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(user), Some(group))
}

/// Closes all descriptors but the standard ones: what a caller left open is neither this
/// process's to keep nor its children's to have. To be called before anything is open.
pub fn close_inherited() {
    // SAFETY: no pointers, and nothing in this process owns such a descriptor yet.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } == 0 {
        return;
    }
    // Linux before 5.9.
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // Gathered first: the list itself is read through one of them, which is closed by then.
    for fd in numbers.filter(|fd: &RawFd| *fd > 2).collect::<Vec<_>>() {
        // SAFETY: as above.
        unsafe { libc::close(fd) };
    }
}

/// Makes sure that standard input, output and error are open, so that no other descriptor ever
/// gets one of their numbers.
///
/// # Errors
/// Those of opening /dev/null.
pub fn fill_stdio() -> io::Result<()> {
    loop {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        if null.as_raw_fd() > 2 {
            return Ok(());
        }
        // It stands in for a standard stream: for good, and for children as well.
        fcntl(null.as_fd(), FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
        std::mem::forget(null);
    }
}

/// Makes standard input, output and error /dev/null.
///
/// # Errors
/// Those of open(2) and dup2(2).
pub fn null_stdio() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    nix::unistd::dup2_stderr(&null)?;
    Ok(())
}

fn other(message: &str) -> io::Error {
    io::Error::other(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    #[test]
    fn a_log_is_not_read_by_a_name_that_others_gave_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("open")).unwrap();
        fs::write(at("precious"), "secret").unwrap();
        for name in ["mine", "open/theirs"] {
            fs::hard_link(at("precious"), at(name)).unwrap();
        }
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(read_log(&at("mine")).is_ok());
        let why = read_log(&at("open/theirs")).unwrap_err().to_string();
        assert!(why.contains("it has other names as well"), "{why}");
    }

    #[test]
    fn nothing_is_put_into_a_folder_by_a_strangers_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("roots")).unwrap();
        symlink("roots", at("link")).unwrap();
        put_private(&at("link/mail"), b"text").unwrap();
        assert_eq!(fs::read(at("roots/mail")).unwrap(), b"text");
        assert_eq!(fs::metadata(at("roots/mail")).unwrap().mode() & 0o777, 0o600);
        if !super::super::users::is_root() {
            return;
        }
        lchown(at("link"), Some(12), None).unwrap();
        assert!(put_private(&at("link/more"), b"text").is_err());
        assert_eq!(fs::read_dir(at("roots")).unwrap().count(), 1);
    }
}
