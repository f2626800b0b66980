//! What a machine lacks for a configuration, told at the places that ask for it.
//!
//! Whether a user, a folder or a command is there is not for this room to find out. Who has found
//! out what is not there comes back with it: places are not kept, so the files are read once more.

use super::fields::{self, Field, Fields};
use super::keys::{DAEMON_KEYS, MAIL_KEYS, PROGRAM_KEYS};
use super::read::items;
use super::report::Report;
use super::source::Source;
use super::tree::Node;
use super::{Files, Problems, Surroundings, include};
use std::path::Path;
use std::rc::Rc;

/// Something that a configuration asks for and the machine does not have.
#[derive(Debug, Clone)]
pub struct Missing {
    /// Who asks for it.
    pub asks: Asks,
    /// What is missing, in words.
    pub what: String,
}

/// A key that asks for something.
#[derive(Debug, Clone)]
pub enum Asks {
    /// A program, with this key.
    Program(Rc<str>, &'static str),
    /// `daemon:`, with this key.
    Daemon(&'static str),
    /// `mail:`, with this key.
    Mail(&'static str),
    /// The command of one of the `hooks:`, by its number from 0.
    Hook(usize),
}

/// Tells it as the problems of the files themselves are told: each place once, by file and place,
/// the first twenty in full.
pub fn tell_missing(
    path: &Path,
    surroundings: &Surroundings,
    files: &dyn Files,
    missing: Vec<Missing>,
) -> Problems {
    // What reading finds wrong was told when it was read for good.
    let mut known = Report::default();
    let sources = include::gather(path, surroundings, files, &mut known);
    let places = Places::new(&sources, &mut known);
    let mut report = Report::default();
    for Missing { asks, what } in missing {
        match places.of(&asks, &mut known) {
            Some(node) => report.warning(node, what),
            None => report.warning_in_file(0, what),
        }
    }
    report.told_warnings(&sources)
}

/// The sections that may ask for something.
struct Places<'s> {
    programs: Fields<'s>,
    defaults: Fields<'s>,
    daemon: Fields<'s>,
    mail: Fields<'s>,
    hooks: Option<&'s Node>,
}

impl<'s> Places<'s> {
    fn new(sources: &'s [Source], known: &mut Report) -> Self {
        let main = sources.first().map(|source| &source.tree);
        let top = |name: &str| main.and_then(|tree| tree.get(name));
        let mut programs = Fields::new();
        for section in sources.iter().filter_map(|source| source.tree.get("programs")) {
            programs.extend(fields::named(section, known));
        }
        let mut section =
            |name, keys| top(name).map(|node| fields::known(node, keys, known)).unwrap_or_default();
        Self {
            defaults: section("defaults", PROGRAM_KEYS),
            daemon: section("daemon", DAEMON_KEYS),
            mail: section("mail", MAIL_KEYS),
            hooks: top("hooks"),
            programs,
        }
    }

    fn of(&self, asks: &Asks, known: &mut Report) -> Option<&'s Node> {
        let value = |field: &Field<'s>| field.value;
        match asks {
            Asks::Program(name, key) => {
                let program = self.programs.get(&**name)?;
                let own = fields::of_program(program.value, known);
                let field = own.get(key).or_else(|| self.defaults.get(key)).map(value);
                Some(field.unwrap_or(program.key))
            }
            Asks::Daemon(key) => self.daemon.get(key).map(value),
            Asks::Mail(key) => self.mail.get(key).map(value),
            Asks::Hook(number) => items(self.hooks?).get(*number)?.get("cmd"),
        }
    }
}
