//! Maps: merge keys written out, each key once, and only keys that mean something.

use super::keys::{Key, PROGRAM_KEYS, SUPERVISOR_KEYS};
use super::near::nearest;
use super::report::Report;
use super::tree::{Node, Value};
use super::values::shown;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

/// What a map says, by key; keys with two names by the first.
pub(super) type Fields<'t> = BTreeMap<&'t str, Field<'t>>;

/// A key with its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'t> {
    pub(super) key: &'t Node,
    pub(super) value: &'t Node,
    /// The number of the map it is written in, which may be one that was merged.
    map: u32,
}

/// The map's entries under the keys of a table; all others are errors.
pub(super) fn known<'t>(map: &'t Node, keys: &[Key], report: &mut Report) -> Fields<'t> {
    with_hints(map, keys, &[], report)
}

/// The same under the keys of a program, where some of Supervisor's have another in their place.
pub(super) fn of_program<'t>(map: &'t Node, report: &mut Report) -> Fields<'t> {
    with_hints(map, PROGRAM_KEYS, SUPERVISOR_KEYS, report)
}

fn with_hints<'t>(
    map: &'t Node,
    keys: &[Key],
    hints: &[(&str, &str)],
    report: &mut Report,
) -> Fields<'t> {
    collect(map, report, |written, node, report| {
        let key = keys.iter().find(|key| key.name == written || key.alias == Some(written));
        if key.is_none() {
            let message = match hints.iter().find(|(name, _)| *name == written) {
                Some((_, instead)) => format!("unknown key; {instead}"),
                None => unknown(written, keys),
            };
            report.error(node, message);
        }
        key.map(|key| key.name)
    })
}

/// The map's entries under whatever names it has.
pub(super) fn named<'t>(map: &'t Node, report: &mut Report) -> Fields<'t> {
    collect(map, report, |written, _, _| Some(written))
}

/// What to say of a key that a table lacks.
pub(super) fn unknown(written: &str, keys: &[Key]) -> String {
    let names = keys.iter().flat_map(|key| [Some(key.name), key.alias]).flatten();
    match nearest(written, names) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => {
            let all: Vec<&str> = keys.iter().map(|key| key.name).collect();
            format!("unknown key; there are {}", all.join(", "))
        }
    }
}

fn collect<'t>(
    map: &'t Node,
    report: &mut Report,
    mut canonical: impl FnMut(&'t str, &'t Node, &mut Report) -> Option<&'t str>,
) -> Fields<'t> {
    let mut fields = Fields::new();
    for field in flatten(map, report) {
        let Some(written) = field.key.text() else {
            report.error(field.key, "a key must be a word, not a list or a map");
            continue;
        };
        let Some(name) = canonical(written, field.key, report) else { continue };
        match fields.entry(name) {
            Slot::Vacant(slot) => {
                slot.insert(field);
            }
            Slot::Occupied(slot) if slot.get().map == field.map => {
                let first = slot.get().key;
                let message = match first.text() {
                    Some(other) if other != written => {
                        format!("is another name of `{}`, which is there too", shown(other))
                    }
                    _ => "is there twice".to_owned(),
                };
                report.error_again(field.key, first, message);
            }
            Slot::Occupied(_) => {}
        }
    }
    fields
}

/// All entries of a map, those of its merge keys behind its own.
fn flatten<'t>(map: &'t Node, report: &mut Report) -> Vec<Field<'t>> {
    let mut fields = Vec::new();
    let mut waiting = vec![map];
    while let Some(map) = waiting.pop() {
        let entries = match &map.value {
            Value::Map(entries) => entries,
            Value::Null => continue,
            Value::Scalar(_) | Value::List(_) => {
                report.error(map, "must be a map, lines of `key: value`");
                continue;
            }
        };
        let mut merged: Option<&Node> = None;
        for entry in entries {
            if entry.key.text() != Some("<<") {
                fields.push(Field { key: &entry.key, value: &entry.value, map: map.id });
            } else if let Some(first) = merged.replace(&entry.key) {
                report.error_again(&entry.key, first, "is there twice; give it a list of maps");
            } else if let Value::List(bases) = &entry.value.value {
                // The last in is the first out, and the first of the list wins.
                waiting.extend(bases.iter().rev());
            } else {
                waiting.push(&entry.value);
            }
        }
    }
    fields
}
