//! The last lines of what programs printed, as a message shows them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::errand::Output;
use super::layout::{clean, verbatim, wrap};
use crate::sys::{cause, files};

/// Lines of a log that are shown.
const LINES: usize = 10;

/// Rows that one of them takes at most.
const ROWS: usize = 4;

/// How far back they are looked for, in bytes.
const FAR: u64 = 32 * 1024;

/// The last lines of each log, under a title that names it.
pub(super) fn shown(outputs: &[Output]) -> String {
    let mut text = String::new();
    for output in outputs {
        let whose = format!("{} on {}", output.process, output.stream);
        match last_lines(&output.path) {
            Ok(lines) if lines.is_empty() => {}
            Ok(lines) => {
                let title = format!("The last lines of {whose}:");
                text.push_str(&format!("\n{}\n", wrap("", &title)));
                lines.iter().for_each(|line| text.push_str(&verbatim(line, ROWS)));
            }
            Err(error) => {
                let why = format!(
                    "The output of {whose} cannot be read: {}: {}",
                    clean(&output.path.to_string_lossy()),
                    cause(&error)
                );
                text.push_str(&format!("\n{}", wrap("", &why)));
            }
        }
    }
    text
}

fn last_lines(path: &Path) -> io::Result<Vec<String>> {
    let mut lines = match files::read_log(path) {
        Ok(file) => end_of(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if lines.len() < LINES {
        // It has just been rotated, perhaps: the one before it has the rest.
        let mut name = path.as_os_str().to_owned();
        name.push(".1");
        let before = files::read_log(&PathBuf::from(name)).and_then(end_of);
        let before = before.unwrap_or_default();
        let missing = LINES - lines.len();
        lines.splice(0..0, before.into_iter().rev().take(missing).rev());
    }
    Ok(lines)
}

fn end_of(mut file: File) -> io::Result<Vec<String>> {
    let length = file.metadata()?.len();
    let start = length.saturating_sub(FAR);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(FAR).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines: Vec<String> =
        text.split('\n').map(|line| line.trim_end_matches('\r').to_owned()).collect();
    if start > 0 && lines.len() > 1 {
        // Its beginning was not read.
        lines.remove(0);
    }
    Ok(lines.split_off(lines.len().saturating_sub(LINES)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn told(texts: &[(&str, &[u8])]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let outputs = texts.iter().map(|(stream, bytes)| {
            let path = folder.path().join(stream);
            fs::write(&path, bytes).unwrap();
            Output { process: "a".to_owned(), stream: (*stream).to_owned(), path }
        });
        shown(&outputs.collect::<Vec<_>>())
    }

    #[test]
    fn the_last_ten_lines_are_shown() {
        let lines: String = (0..20).map(|n| format!("line {n}\n")).collect();
        let text = told(&[("stderr", lines.as_bytes()), ("stdout", b"")]);
        assert!(
            text.starts_with("\nThe last lines of a on stderr:\n\n  line 10\n  line 11\n"),
            "{text}"
        );
        assert!(text.ends_with("  line 19\n") && !text.contains("stdout"), "{text}");
    }

    #[test]
    fn a_line_without_end_is_cut_and_bytes_become_letters() {
        let text = told(&[("stdout", &vec![b'x'; 10 << 20])]);
        assert!(text.len() < 1000 && text.lines().count() == ROWS + 3, "{text}");
        let text = told(&[("stdout", b"a\xff\0b\r\nlast")]);
        assert!(text.ends_with("  a\u{fffd}\\u{0}b\n  last\n"), "{text}");
    }

    #[test]
    fn what_was_rotated_a_moment_ago_belongs_to_it() {
        let text = told(&[("log.1", b"old\n"), ("log", b"new\n")]);
        assert!(text.contains("  old\n  new\n"), "{text}");
    }
}
