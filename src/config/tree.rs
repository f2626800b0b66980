//! The tree of a YAML document: scalars as they are written, every node with a number.
//!
//! serde_yaml gives scalars a type as it reads them (`1.50` becomes 1.5), stops at its
//! first problem and tells places only in errors. So a document is read in two passes,
//! for its [`Shape`] and then, guided by that, for its text; and the place of a node is
//! found by one more pass that fails at just that node ([`locate`]). What the document
//! means, its duplicate keys included, is for others to judge.

use super::anchors;
use super::passes::{Build, Shape, TOO_MUCH};
use super::values::shown;
use serde::Deserializer as _;
use serde::de::DeserializeSeed as _;
use serde_yaml::Deserializer;

/// Brackets that may be open at once; libyaml takes time in the square of it.
const MAX_OPEN: usize = 2_000;

/// A value, or the key of one.
#[derive(Debug)]
pub(super) struct Node {
    /// Its number, in the order of the text; a map comes before its first key.
    pub(super) id: u32,
    /// The number after that of the last node within it.
    pub(super) end: u32,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// `null`, `~` or nothing at all. As a key these are text.
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) value: Node,
}

impl Node {
    /// A node without content, such as the root of a file that could not be read.
    pub(super) fn empty(id: u32) -> Node {
        Node { id, end: id + 1, value: Value::Null }
    }

    /// The text, if it is a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The first value under this key, if it is a map.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// That key itself.
    pub(super) fn key(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.key)
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key.text() == Some(key)),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        }
    }

    fn holds(&self, id: u32) -> bool {
        (self.id..self.end).contains(&id)
    }
}

/// Why a text is no document.
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) message: String,
    /// Line and column from 1, where known.
    pub(super) place: Option<(usize, usize)>,
}

/// Reads a document; its root gets the number `first`.
pub(super) fn parse(text: &str, first: u32) -> Result<Node, Broken> {
    refuse_deep(text)?;
    let mut documents = Deserializer::from_str(text);
    let mut shape = Shape::default();
    if let Some(document) = documents.next() {
        document.deserialize_any(&mut shape).map_err(|error| broken(&error, text, &shape))?;
    }
    if let Some(second) = documents.next() {
        let mut start = Shape::failing_at(0, "a second document starts here; a file holds one");
        second.deserialize_any(&mut start).map_err(|error| broken(&error, text, &start))?;
    }
    if let Some((name, line, column)) = anchors::set_twice(text) {
        let message = format!("the anchor `&{}` is set twice: give it another name", shown(name));
        return Err(Broken { message, place: Some((line, column)) });
    }
    let mut build = Build::new(&shape, first);
    build.deserialize(Deserializer::from_str(text)).map_err(|error| broken(&error, text, &shape))
}

/// Line and column, from 1, of the node with this number in a document that [`parse`]
/// took, numbered from 0.
pub(super) fn locate(text: &str, id: u32) -> Option<(usize, usize)> {
    let mut shape = Shape::failing_at(usize::try_from(id).ok()?, "here");
    let document = Deserializer::from_str(text).next()?;
    let here = document.deserialize_any(&mut shape).err()?.location()?;
    Some((here.line(), here.column()))
}

/// The keys that lead to a node, joined by dots; merge keys and lists leave no trace.
pub(super) fn key_path(root: &Node, id: u32) -> String {
    let mut path: Vec<String> = Vec::new();
    let mut node = root;
    loop {
        let next = match &node.value {
            Value::Null | Value::Scalar(_) => None,
            Value::List(items) => items.iter().find(|item| item.holds(id)),
            Value::Map(entries) => {
                let entry = entries.iter().find(|e| (e.key.id..e.value.end).contains(&id));
                match entry.and_then(|entry| entry.key.text()) {
                    None | Some("<<") => {}
                    Some(key) => path.push(shown(key)),
                }
                entry.map(|entry| &entry.value).filter(|value| value.holds(id))
            }
        };
        match next {
            Some(within) => node = within,
            None => return path.join("."),
        }
    }
}

/// Refuses brackets within brackets so deep that reading them would take minutes. Which of them open
/// something only libyaml knows, and to know it as well takes a scanner as large: so all count.
fn refuse_deep(text: &str) -> Result<(), Broken> {
    let mut open = 0_usize;
    for (number, line) in text.lines().enumerate() {
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => open += 1,
                b']' | b'}' => open = open.saturating_sub(1),
                _ => {}
            }
            if open > MAX_OPEN {
                let message = format!(
                    "more than {MAX_OPEN} brackets are open here, where those in comments and quotes \
                     count too: close some, or split the file by `include`"
                );
                return Err(Broken { message, place: Some((number + 1, 1)) });
            }
        }
    }
    Ok(())
}

fn broken(error: &serde_yaml::Error, text: &str, shape: &Shape) -> Broken {
    let mut place = error.location().map(|at| (at.line(), at.column()));
    let mut message = error.to_string();
    if let Some((line, column)) = place {
        message = message.replacen(&format!(" at line {line} column {column}"), "", 1);
    }
    // What libyaml's reader refuses has a byte for its place, not a line.
    if let Some((what, offset)) = message.split_once(" at position ")
        && let Some(before) = offset.parse().ok().and_then(|end| text.get(..end))
    {
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        place = Some((before.matches('\n').count() + 1, column));
        message = what.to_owned();
    }
    let message = match (shape.refusal, message.as_str()) {
        (Some(refusal), _) => refusal.to_owned(),
        (None, "recursion limit exceeded") => "nests deeper than 128 levels".to_owned(),
        (None, "repetition limit exceeded") => TOO_MUCH.to_owned(),
        (None, "unknown anchor") => "an alias `*name` needs an anchor `&name` above".to_owned(),
        (None, _) => {
            let line = place.and_then(|(line, _)| text.lines().nth(line.saturating_sub(1)));
            message + quoting_hint(line.unwrap_or_default())
        }
    };
    Broken { message, place }
}

/// What this line most likely lacks quotes for, if it is no YAML.
fn quoting_hint(line: &str) -> &'static str {
    if line.contains("[::") {
        "; an IPv6 address in brackets needs quotes"
    } else if line.contains("${") {
        "; within {} and [], what holds ${...} needs quotes"
    } else {
        ""
    }
}
