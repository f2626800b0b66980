//! Which file of a log comes after another, while they are being renamed.
//!
//! A rotation renames from the highest number down: what is looked at in the other direction is
//! never missed, only met twice. Between two renames one number is free, and stays so if the
//! rotation is cut short. A file is known by its inode, not by its name, and nobody else has that as
//! long as it is open.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::logger::numbered;
use crate::sys::files;

/// The highest number that is looked at.
const MOST_KEPT: u32 = 1000;

/// So many free numbers in a row are the end of what is kept.
const END: u32 = 3;

/// How often a file is looked for that is renamed while it is opened. Then the next beat does it.
const TRIES: u32 = 5;

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Device and inode.
    file: (u64, u64),
    /// When it was last modified, in seconds and nanoseconds since the epoch.
    modified: (i64, i64),
}

impl Mark {
    /// Of an open file.
    pub(super) fn of(about: &Metadata) -> Self {
        Self { file: (about.dev(), about.ino()), modified: (about.mtime(), about.mtime_nsec()) }
    }

    /// Of the file of this name.
    pub(super) fn at(path: &Path) -> Option<Self> {
        Some(Self::of(&fs::metadata(path).ok()?))
    }

    /// Whether this is the file of this name.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        Self::at(path).is_some_and(|other| self.is_same(&other))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

/// The file that came after the one that is done with, which is still open; none: there is none yet.
pub(super) fn open_after(log: &Path, done: Option<Mark>) -> Option<File> {
    for _ in 0..TRIES {
        let (path, _) = after(log, done)?;
        let Ok(file) = files::read_log(&path) else { continue };
        let mark = Mark::of(&file.metadata().ok()?);
        // It may have been renamed in between, and another have its name.
        if after(log, done).is_some_and(|(_, again)| again.is_same(&mark)) {
            return Some(file);
        }
    }
    None
}

/// The oldest of those renamed since the one that is done with, else the log itself. Where nothing was
/// done with yet, all of them were; where the one that was has been removed, those that were not
/// modified before it.
pub(super) fn after(log: &Path, done: Option<Mark>) -> Option<(PathBuf, Mark)> {
    let here = Mark::at(log);
    let is_done = |mark: &Mark| done.is_some_and(|done| done.is_same(mark));
    if here.as_ref().is_some_and(is_done) {
        return None;
    }
    let mut newer: Vec<(PathBuf, Mark)> = Vec::new();
    let (mut free, mut is_found) = (0, false);
    for number in 1..MOST_KEPT {
        let path = numbered(log, number);
        match Mark::at(&path) {
            Some(mark) if is_done(&mark) => {
                is_found = true;
                break;
            }
            Some(mark) => {
                free = 0;
                if !newer.iter().any(|(_, other)| other.is_same(&mark)) {
                    newer.push((path, mark));
                }
            }
            None => free += 1,
        }
        if free == END {
            break;
        }
    }
    if let (false, Some(done)) = (is_found, done) {
        let later = newer.iter().take_while(|(_, mark)| mark.modified >= done.modified).count();
        newer.truncate(later);
    }
    newer.pop().or_else(|| Some((log.to_owned(), here?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        /// Files with these numbers, 0 being the log itself. Each holds its number.
        fn with(numbers: &[u32]) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            for number in numbers {
                fs::write(folder.file(*number), number.to_string()).unwrap();
            }
            folder
        }

        fn file(&self, number: u32) -> PathBuf {
            let log = self.0.path().join("log");
            if number == 0 { log } else { numbered(&log, number) }
        }

        fn mark(&self, number: u32) -> Option<Mark> {
            Mark::at(&self.file(number))
        }

        /// The number of the one that comes after.
        fn after(&self, done: Option<Mark>) -> Option<u32> {
            let (path, _) = after(&self.file(0), done)?;
            fs::read_to_string(path).unwrap().parse().ok()
        }
    }

    #[test]
    fn the_next_is_the_one_with_the_lower_number_over_a_free_one_too() {
        let folder = Folder::with(&[0, 1, 2, 4, 5]);
        for (done, next) in [(5, Some(4)), (4, Some(2)), (2, Some(1)), (1, Some(0)), (0, None)] {
            assert_eq!(folder.after(folder.mark(done)), next, "{done}");
        }
        assert_eq!(folder.after(None), Some(5));
    }

    #[test]
    fn without_the_log_itself_the_newest_has_no_next() {
        let folder = Folder::with(&[1, 2]);
        assert_eq!(folder.after(folder.mark(2)), Some(1));
        assert_eq!(folder.after(folder.mark(1)), None);
        assert_eq!(Folder::with(&[]).after(None), None);
    }

    #[test]
    fn after_one_that_was_removed_come_those_that_were_modified_later() {
        let folder = Folder::with(&[3]);
        let done = folder.mark(3);
        let _held = File::open(folder.file(3)).unwrap();
        fs::remove_file(folder.file(3)).unwrap();
        for number in [2, 1, 0] {
            fs::write(folder.file(number), number.to_string()).unwrap();
        }
        assert_eq!(folder.after(done), Some(2));
        let later = done.map(|done| Mark { modified: (i64::MAX, 0), ..done });
        assert_eq!(folder.after(later), Some(0));
    }

    #[test]
    fn one_that_was_met_twice_counts_once() {
        let folder = Folder::with(&[0, 1]);
        fs::hard_link(folder.file(1), folder.file(2)).unwrap();
        fs::write(folder.file(3), "3").unwrap();
        assert_eq!(folder.after(folder.mark(3)), Some(1));
    }
}
