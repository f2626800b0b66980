//! The files that captured output goes to, opened with care: by a process that may be root, in
//! folders that others may write to.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::fcntl::readlinkat;

/// As many links in a row as a file's name may lead through.
const LINKS: usize = 8;

/// What others do to the folder meanwhile is followed so many times.
const TRIES: usize = 8;

/// What a name leads to.
enum Found {
    File(File),
    /// There is none at this place.
    Nothing(PathBuf),
}

/// Opens a file to write at its end. One that is not there is made, with the folder that it is
/// in if need be; a new file belongs to `owner` (user, group) if given, a new folder is private.
///
/// Only regular files, and /dev/null. A last component that is a symbolic link is followed only
/// if root or this user owns it, so that nobody else can aim it.
///
/// It is not opened with O_APPEND, which splice(2) refuses, and for reading where that is
/// allowed.
///
/// # Errors
/// Those of the system calls; what is no such file or link.
pub fn open(path: &Path, owner: Option<(u32, u32)>) -> io::Result<File> {
    for _ in 0..TRIES {
        let place = match find(path)? {
            Found::File(file) => return Ok(file),
            Found::Nothing(place) => place,
        };
        match create(&place, owner) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = place.parent().ok_or(error)?;
                DirBuilder::new().mode(0o700).create(folder)?;
            }
            made => return made,
        }
    }
    Err(io::Error::other("others keep changing it"))
}

/// As [`open`], but none where there is no file.
///
/// # Errors
/// As [`open`].
pub fn open_existing(path: &Path) -> io::Result<Option<File>> {
    match find(path)? {
        Found::File(file) => Ok(Some(file)),
        Found::Nothing(_) => Ok(None),
    }
}

/// Whether it is only for want of descriptors that a file was not opened.
pub fn is_too_many(error: &io::Error) -> bool {
    [Some(libc::EMFILE), Some(libc::ENFILE)].contains(&error.raw_os_error())
}

fn create(path: &Path, owner: Option<(u32, u32)>) -> io::Result<File> {
    let file = options().create_new(true).mode(0o640).open(path)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group))?;
    }
    Ok(file)
}

/// Goes from link to link. Each is held open while it is judged and read, so that it cannot be
/// another by then.
fn find(path: &Path) -> io::Result<Found> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let handle = match OpenOptions::new().read(true).custom_flags(flags).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing(path)),
            handle => handle?,
        };
        let about = handle.metadata()?;
        if about.is_symlink() {
            if ![0, super::users::me()].contains(&about.uid()) {
                return Err(io::Error::other("it is a link that neither root nor this user owns"));
            }
            let target = readlinkat(&handle, "")?;
            // An absolute target takes the folder's place.
            path = path.parent().unwrap_or(Path::new("")).join(target);
            continue;
        }
        // Before it is opened, since to open some devices is to do something; and after, since it
        // may have become another.
        judge(&about)?;
        let file = match options().open(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                options().read(false).open(&path)?
            }
            file => file?,
        };
        judge(&file.metadata()?)?;
        return Ok(Found::File(file));
    }
    Err(nix::errno::Errno::ELOOP.into())
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

fn judge(about: &Metadata) -> io::Result<()> {
    let kind = about.file_type();
    let what = if kind.is_file() || is_null(about) {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::other(format!("it is {what}")))
}

fn is_null(about: &Metadata) -> bool {
    about.file_type().is_char_device() && about.rdev() == libc::makedev(1, 3)
}
