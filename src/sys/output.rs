//! The files that captured output goes to, opened with care: by a process that may be root, in
//! folders that others may write to.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, fchown};
use std::path::Path;

use nix::fcntl::OFlag;

use super::place::{Place, own_links};

/// What others do to the folder meanwhile is followed so many times.
const TRIES: usize = 8;

/// Opens a file to write at its end. One that is not there is made, with the folder that it is
/// in if need be; a new file belongs to `owner` (user, group) if given, a new folder is private.
///
/// Only regular files, and /dev/null; and where others may put files, none but root's, this user's
/// and the `owner`'s. A symbolic link, also among the folders, is followed only by
/// the rule of [`own_links`].
///
/// It is not opened with O_APPEND, which splice(2) refuses, and for reading where that is
/// allowed.
///
/// # Errors
/// Those of the system calls; what is no such file or link.
pub fn open(path: &Path, owner: Option<(u32, u32)>) -> io::Result<File> {
    for _ in 0..TRIES {
        let place = match Place::behind(path, &mut own_links) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = path.parent().ok_or(ErrorKind::NotFound)?;
                match Place::of(folder, &mut own_links)?.make_folder() {
                    // It is there: what is missing lies elsewhere.
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                        return Err(ErrorKind::NotFound.into());
                    }
                    made => made?,
                }
                continue;
            }
            found => found?,
        };
        match open_at(&place, owner) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        match create(&place, owner) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => return made,
        }
    }
    Err(io::Error::other("others keep changing it"))
}

/// As [`open`], but none where there is no file.
///
/// # Errors
/// As [`open`].
pub fn open_existing(path: &Path, owner: Option<(u32, u32)>) -> io::Result<Option<File>> {
    match Place::behind(path, &mut own_links).and_then(|place| open_at(&place, owner)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Whether it is only for want of descriptors that a file was not opened.
pub fn is_too_many(error: &io::Error) -> bool {
    [Some(libc::EMFILE), Some(libc::ENFILE)].contains(&error.raw_os_error())
}

fn create(place: &Place, owner: Option<(u32, u32)>) -> io::Result<File> {
    let file = place.open(flags(OFlag::O_RDWR) | OFlag::O_CREAT | OFlag::O_EXCL, 0o640)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group))?;
    }
    Ok(file)
}

fn open_at(place: &Place, owner: Option<(u32, u32)>) -> io::Result<File> {
    // Before it is opened, since to open some devices is to do something; and after, since it
    // may have become another.
    judge(&place.open(OFlag::O_PATH, 0)?.metadata()?)?;
    let file = match place.open(flags(OFlag::O_RDWR), 0) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            place.open(flags(OFlag::O_WRONLY), 0)?
        }
        file => file?,
    };
    let about = file.metadata()?;
    judge(&about)?;
    place.is_the_only_name(&about)?;
    place.is_no_strangers(&about, owner.map(|(user, _)| user))?;
    Ok(file)
}

fn flags(access: OFlag) -> OFlag {
    access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY
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
