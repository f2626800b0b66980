//! A log's old files: PATH.1 is the newest of them.
//!
//! All goes by names: a link is renamed as a file is.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::sys::output;
use crate::sys::place::{Place, own_links};

/// Makes PATH the newest old file, of which at most `keep` stay; with none, removes it.
///
/// Renames from the lowest number that is free down: one that is cut short leaves a gap, which the
/// next one fills, and drops nothing. Says how many files it went by.
///
/// Where PATH has gone there is nothing to make room for, and the old ones stay as they are.
///
/// # Errors
/// Those of rename(2) and unlink(2); a folder that is reached by a link of somebody else's. That
/// PATH has gone is none.
pub fn rotate(path: &Path, keep: u32) -> io::Result<u32> {
    let log = match Place::of(path, &mut own_links) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        log => log?,
    };
    if log.about().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(0);
    }
    let is_free = |number: &u32| old(&log, *number).and_then(|old| old.about()).is_err();
    let free = (1..keep).find(is_free).unwrap_or(keep);
    for number in (1..free).rev() {
        old(&log, number)?.rename(&old(&log, number + 1)?)?;
    }
    if keep == 0 {
        unless_gone(log.remove())?;
        return Ok(free);
    }
    let newest = old(&log, 1)?;
    unless_gone(log.rename(&newest))?;
    // Of two names of one file rename(2) leaves both, and says that it is done.
    if is_same(&log, &newest) {
        unless_gone(log.remove())?;
    }
    Ok(free)
}

fn is_same(one: &Place, other: &Place) -> bool {
    let identity = |place: &Place| place.about().map(|about| (about.st_dev, about.st_ino));
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

/// Empties the file and removes the old ones. It need not be there. The `owner` is the user and
/// group whose output it is.
///
/// # Errors
/// Those of the system calls, and of [`output::open`].
pub(super) fn clear(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    if let Some(file) = output::open_existing(path, owner)? {
        file.set_len(0)?;
    }
    remove_beyond(path, 0)
}

/// Removes the old files from `keep` + 1 on.
///
/// # Errors
/// Those of unlink(2); a folder that is reached by a link of somebody else's.
pub(super) fn remove_beyond(path: &Path, keep: u32) -> io::Result<()> {
    let log = match Place::of(path, &mut own_links) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        log => log?,
    };
    // A rotation that was cut short leaves one gap; two are the end.
    let mut gaps = 0;
    for number in keep.saturating_add(1).. {
        match old(&log, number)?.remove() {
            Err(error) if error.kind() == ErrorKind::NotFound => gaps += 1,
            done => done.map(|()| gaps = 0)?,
        }
        if gaps == 2 {
            break;
        }
    }
    Ok(())
}

fn unless_gone(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

fn old(log: &Place, number: u32) -> io::Result<Place> {
    log.beside(&format!(".{number}"))
}

/// The name of the old file with this number.
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The files of a folder with what is in them.
    fn files(folder: &Path) -> Vec<String> {
        let text = |path: PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap();
            format!("{name}={}", fs::read_to_string(&path).unwrap())
        };
        let mut all: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| text(entry.unwrap().path())).collect();
        all.sort();
        all
    }

    #[test]
    fn the_newest_is_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for text in ["one", "two", "three", "four"] {
            fs::write(&path, text).unwrap();
            rotate(&path, 3).unwrap();
        }
        assert_eq!(files(folder.path()), ["a.1=four", "a.2=three", "a.3=two"]);
    }

    #[test]
    fn a_gap_is_filled_and_nothing_beyond_it_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for name in ["a", "a.1", "a.3", "a.4"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        rotate(&path, 4).unwrap();
        assert_eq!(files(folder.path()), ["a.1=a", "a.2=a.1", "a.3=a.3", "a.4=a.4"]);
    }

    #[test]
    fn where_the_file_has_gone_no_old_one_moves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for name in ["a.1", "a.2"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        assert_eq!(rotate(&path, 2).unwrap(), 0);
        assert_eq!(files(folder.path()), ["a.1=a.1", "a.2=a.2"]);
    }

    #[test]
    fn with_none_kept_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        rotate(&path, 0).unwrap();
        assert!(files(folder.path()).is_empty());
        rotate(&path, 0).unwrap();
    }

    #[test]
    fn a_second_name_of_the_file_among_the_old_ones_does_not_keep_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "x").unwrap();
        fs::hard_link(&path, folder.path().join("a.1")).unwrap();
        rotate(&path, 1).unwrap();
        assert_eq!(files(folder.path()), ["a.1=x"]);
    }

    #[test]
    fn cleared_is_all_of_it_whatever_is_kept_now() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for name in ["a", "a.1", "a.3", "a.4", "a.b", "b.1"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        clear(&path, None).unwrap();
        assert_eq!(files(folder.path()), ["a.b=x", "a=", "b.1=x"]);
        clear(&folder.path().join("none"), None).unwrap();
    }
}
