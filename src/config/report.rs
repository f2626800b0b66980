//! The report: problems gathered by node while reading, told by place at the end.

use super::excerpt::excerpt;
use super::problem::{Problem, Problems};
use super::source::Source;
use super::tree::{self, Node};
use std::collections::HashSet;

/// Problems that are told; finding the place of one costs a pass over its file.
pub(super) const TOLD: usize = 20;

/// What was found while reading.
#[derive(Default)]
pub(super) struct Report {
    errors: Vec<Found>,
    warnings: Vec<Found>,
    /// What was found so far: what `defaults` gets wrong is met again in each program.
    seen: HashSet<(u32, String)>,
}

struct Found {
    node: u32,
    place: Place,
    message: String,
}

enum Place {
    /// Where the node is.
    Node,
    /// There, and told with the place of the node that came first.
    Again(u32),
    /// At a line and column of its file.
    At(usize, usize),
    /// Of its file as a whole.
    File,
}

impl Report {
    pub(super) fn error(&mut self, at: &Node, message: impl Into<String>) {
        self.add(at.id, Place::Node, message.into());
    }

    /// Something stands twice; its message is followed by the place of the first.
    pub(super) fn error_again(&mut self, at: &Node, first: &Node, message: impl Into<String>) {
        self.add(at.id, Place::Again(first.id), message.into());
    }

    /// An error of the file whose root has the number `root`, as a whole or at a place.
    pub(super) fn error_in_file(
        &mut self,
        root: u32,
        place: Option<(usize, usize)>,
        message: impl Into<String>,
    ) {
        let place = place.map_or(Place::File, |(line, column)| Place::At(line, column));
        self.add(root, place, message.into());
    }

    /// Something is odd; said once of a place, whoever meets it there.
    pub(super) fn warning(&mut self, at: &Node, message: impl Into<String>) {
        let message = message.into();
        if self.seen.insert((at.id, message.clone())) {
            self.warnings.push(Found { node: at.id, place: Place::Node, message });
        }
    }

    /// A warning about the file whose root has the number `root`.
    pub(super) fn warning_in_file(&mut self, root: u32, message: impl Into<String>) {
        self.warnings.push(Found { node: root, place: Place::File, message: message.into() });
    }

    fn add(&mut self, node: u32, place: Place, message: String) {
        if self.seen.insert((node, message.clone())) {
            self.errors.push(Found { node, place, message });
        }
    }

    /// The warnings, if there is no error.
    pub(super) fn finish(self, sources: &[Source]) -> Result<Problems, Problems> {
        match self.errors.is_empty() {
            true => Ok(self.told_warnings(sources)),
            false => Err(told(self.errors, sources)),
        }
    }

    pub(super) fn told_warnings(self, sources: &[Source]) -> Problems {
        told(self.warnings, sources)
    }
}

/// Nodes are numbered through all files, so their order is that of the files and places.
fn told(mut found: Vec<Found>, sources: &[Source]) -> Problems {
    found.sort_by_key(|found| found.node);
    let more = found.len().saturating_sub(TOLD);
    let list = found.into_iter().take(TOLD).filter_map(|found| tell(found, sources)).collect();
    Problems { list, more }
}

fn tell(found: Found, sources: &[Source]) -> Option<Problem> {
    let source = Source::of(sources, found.node)?;
    let (place, path) = match found.place {
        Place::File => (None, String::new()),
        Place::At(line, column) => (Some((line, column)), String::new()),
        Place::Node | Place::Again(_) => {
            (source.locate(found.node), tree::key_path(&source.tree, found.node))
        }
    };
    let mut message = found.message;
    if let Place::Again(first) = found.place
        && let Some(other) = Source::of(sources, first)
        && let Some((line, column)) = other.locate(first)
    {
        message += &match other.file == source.file {
            true => format!(", first in line {line}"),
            false => format!(", first at {}:{line}:{column}", other.file.display()),
        };
    }
    Some(Problem {
        file: source.file.clone(),
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        path,
        message,
        excerpt: place.and_then(|(line, column)| excerpt(&source.text, line, column)),
    })
}
