//! One file of the configuration, read into a tree.

use super::report::Report;
use super::tree::{self, Node};
use std::path::{Path, PathBuf};

/// The text less the byte order mark that editors on Windows begin a file with: it is no letter of
/// the first line, and has no column.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// A file, and what it says.
pub(super) struct Source {
    /// Its name, as given.
    pub(super) file: PathBuf,
    /// The folder it lies in, absolute: `${here}`, and where relative paths start.
    pub(super) here: PathBuf,
    pub(super) text: String,
    /// Empty if it could not be read; its root's number is in use even so.
    pub(super) tree: Node,
}

impl Source {
    /// A file whose nodes are numbered from `first`; the mistake that makes it no YAML
    /// goes to the report.
    pub(super) fn new(
        file: &Path,
        cwd: &Path,
        text: Result<String, String>,
        first: u32,
        report: &mut Report,
    ) -> Source {
        let (text, tree) = match text {
            Ok(mut text) => {
                let mark = text.len() - without_mark(&text).len();
                text.drain(..mark);
                let tree = tree::parse(&text, first).unwrap_or_else(|broken| {
                    report.error_in_file(first, broken.place, broken.message);
                    Node::empty(first)
                });
                (text, tree)
            }
            Err(why) => {
                report.error_in_file(first, None, why);
                (String::new(), Node::empty(first))
            }
        };
        Source::parsed(file, cwd, text, tree)
    }

    pub(super) fn parsed(file: &Path, cwd: &Path, text: String, tree: Node) -> Source {
        let folder = file.parent().unwrap_or(Path::new(""));
        // Collected anew, a path loses its `.` components.
        let here = cwd.join(folder).components().collect();
        Source { file: file.to_owned(), here, text, tree }
    }

    /// The file that the node with this number stands in.
    pub(super) fn of(sources: &[Source], node: u32) -> Option<&Source> {
        let after = sources.partition_point(|source| source.tree.id <= node);
        sources.get(after.checked_sub(1)?)
    }

    /// Line and column, from 1, of one of its nodes.
    pub(super) fn locate(&self, node: u32) -> Option<(usize, usize)> {
        tree::locate(&self.text, node.checked_sub(self.tree.id)?)
    }
}
