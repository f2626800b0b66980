//! The history of the prompt: a private file that several shells share.
//!
//! Each line is added to what the file holds by then, by one shell after the
//! other, so that none undoes another's, and the file is replaced as a whole, so
//! that none reads half of one. Where it cannot be kept there is none beyond the session, silently: it
//! is a convenience.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::files;
use crate::sys::lock::take_turn;

/// The most lines that are kept.
const LIMIT: usize = 1000;

/// A file longer than this is not ours.
const SIZE_LIMIT: u64 = 4 * 1024 * 1024;

/// Longer nobody waits for the next prompt.
const PATIENCE: Duration = Duration::from_millis(500);

/// The lines typed, oldest first.
pub(super) struct History {
    file: PathBuf,
    lines: Vec<String>,
    /// So long other shells are waited for.
    patience: Duration,
}

impl History {
    /// What the file holds.
    pub(super) fn load(file: PathBuf) -> Self {
        let lines = read(&file).unwrap_or_default();
        Self { file, lines, patience: PATIENCE }
    }

    /// The lines, oldest first.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Adds a line, and takes in what other shells have added.
    pub(super) fn add(&mut self, line: &str) {
        if line.contains(char::is_control) {
            return;
        }
        // Without a turn, should somebody keep it, a line of another shell's may be lost.
        let _turn = self.file.parent().and_then(|folder| take_turn(folder, self.patience));
        let before = read(&self.file).unwrap_or_else(|_| std::mem::take(&mut self.lines));
        self.lines = appended(before, line);
        let _ = write(&self.file, &self.lines);
    }
}

/// The lines with one more at the end, each only where it stands last.
fn appended(mut lines: Vec<String>, line: &str) -> Vec<String> {
    lines.retain(|older| older != line);
    lines.push(line.to_owned());
    lines.split_off(lines.len().saturating_sub(LIMIT))
}

fn read(file: &Path) -> io::Result<Vec<String>> {
    // Root may work in a folder of somebody who puts a link to a secret there, or a pipe, or gives
    // the secret itself a second name.
    let mut bytes = Vec::new();
    files::open_by_its_only_name(file)?.take(SIZE_LIMIT).read_to_end(&mut bytes)?;
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let sound = |line: &&str| !line.is_empty() && !line.contains(char::is_control);
    let mut lines: Vec<String> = text.lines().filter(sound).map(str::to_owned).collect();
    lines.split_off(lines.len().saturating_sub(LIMIT))
}

/// Writes a file beside it and renames that, which follows no link.
fn write(file: &Path, lines: &[String]) -> io::Result<()> {
    let fresh = file.with_extension(format!("{}.new", std::process::id()));
    let written = fill(&fresh, lines).and_then(|()| std::fs::rename(&fresh, file));
    if written.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    written
}

fn fill(fresh: &Path, lines: &[String]) -> io::Result<()> {
    // One that is left of a shell that was killed and had our number.
    let _ = std::fs::remove_file(fresh);
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(fresh)?;
    if let Some(folder) = fresh.parent() {
        // Root leaves to the owner of the folder what belongs there.
        let folder = folder.metadata()?;
        if folder.uid() != out.metadata()?.uid() {
            fchown(&out, Some(folder.uid()), Some(folder.gid()))?;
        }
    }
    let mut text = lines.join("\n");
    text.push('\n');
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn history() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history");
        (folder, file)
    }

    #[test]
    fn two_shells_keep_each_others_lines_once() {
        let (_folder, file) = history();
        let (mut one, mut two) = (History::load(file.clone()), History::load(file.clone()));
        one.add("status");
        two.add("stop web");
        one.add("status");
        assert_eq!(one.lines(), ["stop web", "status"]);
        assert_eq!(History::load(file.clone()).lines(), ["stop web", "status"]);
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(file.parent().unwrap().read_dir().unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn shells_that_end_a_line_at_once_lose_none() {
        let (_folder, file) = history();
        std::thread::scope(|scope| {
            for shell in 0..4 {
                // The scheduler may keep one waiting for longer than a person would.
                let patience = Duration::from_secs(60);
                let mut history = History { patience, ..History::load(file.clone()) };
                let add = move || (0..50).for_each(|n| history.add(&format!("{shell} {n}")));
                scope.spawn(add);
            }
        });
        assert_eq!(History::load(file).lines().len(), 200);
    }

    #[test]
    fn only_the_newest_lines_stay() {
        let lines = (0..LIMIT).map(|n| n.to_string()).collect();
        let lines = appended(lines, "new");
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[LIMIT - 1].as_str()),
            (LIMIT, "1", "new")
        );
    }

    #[test]
    fn a_spoilt_line_spoils_no_other() {
        assert_eq!(parse(b"a\n\xff\n\x1b[2J\n\nb"), ["a", "\u{fffd}", "b"]);
        let (_folder, file) = history();
        let mut history = History::load(file);
        history.add("two\nlines");
        assert!(history.lines().is_empty());
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let (folder, file) = history();
        let secret = folder.path().join("shadow");
        std::fs::write(&secret, "secret\n").unwrap();
        symlink(&secret, &file).unwrap();
        let mut history = History::load(file.clone());
        assert!(history.lines().is_empty());
        history.add("status");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret\n");
        assert!(file.symlink_metadata().unwrap().is_file());
    }

    #[test]
    fn a_file_with_another_name_is_not_read() {
        let (folder, file) = history();
        let secret = folder.path().join("shadow");
        std::fs::write(&secret, "secret\n").unwrap();
        std::fs::hard_link(&secret, &file).unwrap();
        let mut history = History::load(file.clone());
        assert!(history.lines().is_empty());
        history.add("status");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret\n");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "status\n");
    }

    #[test]
    fn a_pipe_in_its_place_is_not_waited_for() {
        let (_folder, file) = history();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let mut history = History::load(file.clone());
        history.add("status");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "status\n");
    }

    #[test]
    fn without_a_folder_it_lasts_for_the_session() {
        let (folder, _) = history();
        let mut history = History::load(folder.path().join("none/history"));
        history.add("status");
        history.add("pid");
        assert_eq!(history.lines(), ["status", "pid"]);
    }
}
