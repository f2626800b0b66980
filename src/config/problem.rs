//! Problems: what is wrong, where, and how that is told.

use super::excerpt;
use std::fmt::{self, Display, Write};
use std::path::PathBuf;

/// Something in the configuration that is wrong, or odd.
///
/// Displays as `taskmaster.yaml:6:15: programs.api.numprocs: must be 1 to 10000, not 0`,
/// with control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, from 1; none if the problem is the file's as a whole.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// The keys that lead there, joined by dots; may be empty.
    pub path: String,
    /// What is wrong, and the way out.
    pub message: String,
    pub(super) excerpt: Option<String>,
}

impl Problem {
    /// The line of the file and, below it, a caret under the column; fit for a terminal.
    pub fn excerpt(&self) -> Option<String> {
        self.excerpt.clone()
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_harmless(f, &self.file.to_string_lossy())?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.path.is_empty() {
            write_harmless(f, &self.path)?;
            f.write_str(": ")?;
        }
        write_harmless(f, &self.message)
    }
}

fn write_harmless(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for letter in text.chars() {
        match excerpt::is_harmless(letter) {
            true => f.write_char(letter)?,
            false => write!(f, "{}", letter.escape_default())?,
        }
    }
    Ok(())
}

/// Why a configuration could not be loaded, or what is odd about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    /// The first twenty, by file and place.
    pub list: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

/// A line for each, and one that counts the rest; no line feed at the end.
impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.list.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        self.rest().map_or(Ok(()), |rest| write!(f, "\n{rest}"))
    }
}

impl Problems {
    /// The line that counts those that are not listed.
    pub fn rest(&self) -> Option<String> {
        match self.more {
            0 => None,
            1 => Some("and 1 more problem".to_owned()),
            more => Some(format!("and {more} more problems")),
        }
    }
}

impl std::error::Error for Problems {}
