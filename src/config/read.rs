//! The reader: files into a configuration, or into everything that is wrong with them.
//!
//! Its other parts lie beside it: `daemon` and `mail`, a section each; of a program, `program`
//! (what a key says by itself), `launch` (what is expanded), `output` and `probes`; and what
//! concerns several, `order` and `capture`.

use super::capture::BesideAuto;
use super::claims::{self, Claims};
use super::fields;
use super::include;
use super::keys::{DAEMON_KEYS, TOP_KEYS};
use super::launch::Names;
use super::order::Edges;
use super::program::{Outer, Programs};
use super::report::Report;
use super::source::{Source, without_mark};
use super::tree::{Node, Value};
use super::values;
use super::{Config, Daemon, Files, Hook, Mail, Problems, Surroundings, tree};
use std::path::{Path, PathBuf};

/// What all programs together may take, in bytes and roughly: so that no few lines of
/// `defaults:` under ten thousand names fill the memory.
const MOST: usize = 256 << 20;

/// Reads the file and what it includes.
///
/// The error holds every problem there is, not only the first.
pub fn load(
    path: &Path,
    surroundings: &Surroundings,
    files: &dyn Files,
) -> Result<Config, Problems> {
    let mut report = Report::default();
    let sources = include::gather(path, surroundings, files, &mut report);
    let mut reader = Reader::new(&sources, surroundings, report);
    let read = reader.file();
    let warnings = reader.report.finish(&sources)?;
    let Read { daemon, mail, hooks, programs } = read;
    Ok(Config { file: path.to_owned(), daemon, mail, hooks, programs, warnings })
}

/// Reads as much of `daemon:` as there is, for who only wants to reach the daemon.
///
/// What is wrong or missing has its default; of a text that is no YAML, what comes
/// before the mistake counts.
pub fn daemon_only(path: &Path, text: &str, surroundings: &Surroundings) -> Daemon {
    let (text, tree) = readable_part(without_mark(text));
    let sources = [Source::parsed(path, &surroundings.cwd, text.to_owned(), tree)];
    let mut reader = Reader::new(&sources, surroundings, Report::default());
    let section = sources.first().and_then(|source| source.tree.get("daemon"));
    let fields = section.map(|node| fields::known(node, DAEMON_KEYS, &mut reader.report));
    reader.daemon(&fields.unwrap_or_default())
}

/// The text up to the end of `daemon:`, or else that before the mistake that makes it no
/// YAML, whole sections if need be.
fn readable_part(text: &str) -> (&str, Node) {
    /// Sections are few; what has more of them than that is no configuration.
    const ATTEMPTS: usize = 50;
    let beginning = through_daemon(text);
    if let Ok(root) = tree::parse(beginning, 0)
        && (beginning.len() == text.len() || root.get("daemon").is_some())
    {
        return (beginning, root);
    }
    let mut part = text;
    for _ in 0..ATTEMPTS {
        match tree::parse(part, 0) {
            Ok(root) => return (part, root),
            Err(broken) => part = before(part, broken.place.map_or(0, |(line, _)| line)),
        }
    }
    ("", Node::empty(0))
}

/// The text through the section that looks like `daemon:`; the programs, of which there
/// may be thousands, mostly come after it.
fn through_daemon(text: &str) -> &str {
    let mut end = 0;
    let mut begun = false;
    for line in text.split_inclusive('\n') {
        if begun && starts_section(line) {
            break;
        }
        begun |= line.starts_with("daemon:");
        end += line.len();
    }
    text.get(..end).unwrap_or_default()
}

fn starts_section(line: &str) -> bool {
    line.starts_with(char::is_alphanumeric) || line.starts_with("---")
}

/// The text before a line, from 1; where there is no such line, all but the last section, or
/// the last line of `daemon:`, of which every line counts.
fn before(text: &str, mistake: usize) -> &str {
    let (mut start, mut cut) = (0, 0);
    let mut in_daemon = false;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if number + 1 == mistake {
            cut = start;
            break;
        }
        if starts_section(line) {
            in_daemon = line.starts_with("daemon:");
            cut = start;
        } else if in_daemon {
            cut = start;
        }
        start += line.len();
    }
    text.get(..cut).unwrap_or_default()
}

/// What a file says.
struct Read {
    daemon: Daemon,
    mail: Option<Mail>,
    hooks: Vec<Hook>,
    programs: Programs,
}

/// What reading needs at hand. Lifetime `'s` is that of the sources.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s [Source],
    pub(super) surroundings: &'s Surroundings,
    pub(super) report: Report,
    /// The files that are written, and by whom.
    pub(super) claims: Claims,
    /// Where the daemon's own log is said to be.
    pub(super) log_at: Option<&'s Node>,
    /// Where files of `auto` lie.
    pub(super) auto_folder: PathBuf,
    /// Those that lie there and are not.
    pub(super) beside_auto: Vec<BesideAuto<'s>>,
    /// Who depends on whom.
    pub(super) edges: Edges<'s>,
    spent: usize,
}

impl<'s> Reader<'s> {
    fn new(sources: &'s [Source], surroundings: &'s Surroundings, report: Report) -> Self {
        Self {
            sources,
            surroundings,
            report,
            claims: Claims::default(),
            log_at: None,
            auto_folder: PathBuf::new(),
            beside_auto: Vec::new(),
            edges: Edges::new(),
            spent: 0,
        }
    }

    fn file(&mut self) -> Read {
        let mut sections = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            if let Some(key) = source.tree.key("<<") {
                let why = "merges maps within a section, and no sections: write them out";
                self.report.error(key, why);
            }
            let mut fields = fields::known(&source.tree, TOP_KEYS, &mut self.report);
            if number > 0 {
                fields.retain(|name, field| {
                    if *name != "programs" {
                        let why = "stands only in the main file; an included one holds `programs`";
                        self.report.error(field.key, why);
                    }
                    *name == "programs"
                });
            }
            sections.push(fields);
        }
        let main = sections.first().cloned().unwrap_or_default();
        let daemon_fields = main.get("daemon");
        let daemon_fields = daemon_fields
            .map(|field| fields::known(field.value, DAEMON_KEYS, &mut self.report))
            .unwrap_or_default();
        let daemon = self.daemon(&daemon_fields);
        self.auto_folder = claims::plain(&daemon.state_dir.join("log"));
        self.claim_log(&daemon.log);
        let defaults = main.get("defaults");
        let defaults = defaults
            .map(|field| fields::of_program(field.value, &mut self.report))
            .unwrap_or_default();
        let outer = Outer::new(self, &daemon, &daemon_fields, defaults);
        let env = self.env_layer(&outer.daemon_env, Names::outside(&[]));
        let mail = main.get("mail").and_then(|field| self.mail(field.value, &env));
        let hooks = main.get("hooks").map(|field| self.hooks(field.value, &env));
        let programs = self.programs(&sections, &outer);
        if !main.contains_key("mail") {
            self.warn_of_no_mail(&main, &sections);
        }
        if programs.is_empty() {
            match main.get("programs") {
                Some(field) => self.report.warning(field.key, "there are none"),
                None => self.report.warning_in_file(0, "there are no programs in it"),
            }
        }
        Read { daemon, mail, hooks: hooks.unwrap_or_default(), programs }
    }

    /// The text of a scalar; anything else is an error.
    pub(super) fn scalar(&mut self, node: &'s Node) -> Option<&'s str> {
        let why = match &node.value {
            Value::Scalar(text) => return Some(text),
            Value::Null => "has no value: give it one, or remove it",
            Value::List(_) => "must be one value, not a list",
            Value::Map(_) => "must be one value, not a map",
        };
        self.report.error(node, why);
        None
    }

    /// What a scalar says; nothing if that is wrong.
    pub(super) fn value<T>(
        &mut self,
        node: &'s Node,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.scalar(node)?;
        parse(text).map_err(|why| self.report.error(node, why)).ok()
    }

    /// Sets what a scalar says, or leaves it if that is wrong.
    pub(super) fn set<T>(
        &mut self,
        into: &mut T,
        node: &'s Node,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) {
        if let Some(value) = self.value(node, parse) {
            *into = value;
        }
    }

    /// A name or path that is taken as it is written.
    pub(super) fn text(&mut self, node: &'s Node) -> Option<String> {
        self.value(node, |text| match text {
            "" => Err("must not be empty".to_owned()),
            _ if text.contains('\0') => Err("must not hold a NUL byte".to_owned()),
            _ => Ok(text.to_owned()),
        })
    }

    /// A path; a relative one starts at the folder of the file that says it.
    pub(super) fn path(&mut self, node: &'s Node) -> Option<PathBuf> {
        let path = self.text(node)?;
        if let Err(why) = values::path_as_written(&path) {
            self.report.error(node, why);
            return None;
        }
        Some(self.here(node).join(path))
    }

    /// The folder of the file that a node stands in.
    pub(super) fn here(&self, node: &Node) -> &'s Path {
        Source::of(self.sources, node.id).map_or(Path::new("/"), |source| &source.here)
    }

    /// Counts what is about to be kept; false once that is too much for a configuration.
    pub(super) fn spend(&mut self, at: &Node, bytes: usize) -> bool {
        let before = self.spent;
        self.spent = before.saturating_add(bytes);
        if before <= MOST && self.spent > MOST {
            let why = format!("with this, the programs take more than {} MiB in all", MOST >> 20);
            self.report.error(at, why);
        }
        self.spent <= MOST
    }
}

/// The items of a list; anything else is a list of one.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        Value::Null | Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
    }
}
