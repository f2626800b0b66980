//! What a process is started with: the keys in which `${...}` is expanded.

use super::expand::{Fault, Scope};
use super::fields::Fields;
use super::program::Outer;
use super::read::{Reader, items};
use super::template::Template;
use super::tree::{Node, Value};
use super::values;
use super::{EnvFile, Program};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Variables by name, expanded.
pub(super) type Layer = BTreeMap<String, Template>;

/// The program that is read, and the layers its names are looked for in.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    of: Of<'a>,
    layers: &'a [&'a Layer],
}

/// Whose text is read.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Of<'a> {
    Program(&'a str),
    /// That of any program: what is expanded has no value yet, as its own `env` may give another.
    Defaults,
    /// It stands outside any program.
    Nobody,
}

impl<'a> Names<'a> {
    /// Those of a text that stands outside any program.
    pub(super) fn outside(layers: &'a [&'a Layer]) -> Self {
        Self { of: Of::Nobody, layers }
    }

    /// Whether it is known what stands around the text.
    pub(super) fn is_settled(&self) -> bool {
        self.of != Of::Defaults
    }
}

impl<'s> Reader<'s> {
    /// Reads the expanded keys of a program, given its own `env`.
    pub(super) fn launch(
        &mut self,
        of: Of<'_>,
        fields: &Fields<'s>,
        env: &Fields<'s>,
        outer: &Outer<'_, 's>,
        program: &mut Program,
    ) {
        let Program { policy, launch, .. } = program;
        let (policy, attributes) = (Rc::make_mut(policy), Rc::make_mut(&mut launch.attributes));
        // What stands in the defaults' own `env` is the same for every program but for its name.
        let outside = if let Of::Program(_) = of { of } else { Of::Nobody };
        let names = Names { of: outside, layers: &[] };
        attributes.base_env = self.env_layer(&outer.daemon_env, names);
        let names = Names { of: outside, layers: &[&attributes.base_env] };
        attributes.env = self.env_layer(&outer.defaults_env, names);
        let names = Names { of, layers: &[&attributes.env, &attributes.base_env] };
        let own = self.env_layer(env, names);
        attributes.env.extend(own);
        let names = Names { of, layers: &[&attributes.env, &attributes.base_env] };
        let mut user = None;
        for (key, field) in fields {
            let value = field.value;
            match *key {
                "cmd" => launch.cmd = self.cmd(value, names),
                "env_file" => {
                    let files = items(value).iter();
                    attributes.env_file =
                        files.filter_map(|item| self.env_file(item, names)).collect();
                }
                "ready" => policy.ready = self.ready(value, names),
                "health" => policy.health = self.health(value, names),
                "workingdir" => {
                    let folder = self.expanded(value, names);
                    attributes.workingdir = folder.and_then(|folder| self.checked(value, folder));
                }
                "user" => {
                    attributes.user = self.expanded(value, names);
                    user = Some(value);
                }
                _ => {}
            }
        }
        if let Some(field) = fields.get("stdout") {
            launch.stdout = self.stdout(field.value, names);
        }
        if let Some(field) = fields.get("stderr") {
            launch.stderr = self.stderr(field.value, &launch.stdout, names);
        }
        if let (Some(at), Some(daemon), Some(named)) = (user, &outer.daemon.user, &attributes.user)
            && named.as_plain() != Some(daemon)
        {
            let why = format!(
                "must be {daemon}, the `daemon.user`: only a daemon that stays root can start \
                 processes as somebody else"
            );
            self.report.error(at, why);
        }
        attributes.base_env.retain(|name, _| !attributes.env.contains_key(name));
    }

    /// Expands the variables of one `env` map by the layers outside of it.
    pub(super) fn env_layer(&mut self, fields: &Fields<'s>, names: Names<'_>) -> Layer {
        let mut layer = Layer::new();
        for (name, field) in fields {
            if let Err(why) = values::variable_name(name) {
                self.report.error(field.key, why);
                continue;
            }
            let value = match &field.value.value {
                Value::Null => Some(Template::default()),
                Value::Scalar(text) => self.expand(field.value, text, names),
                Value::List(_) | Value::Map(_) => {
                    self.scalar(field.value);
                    None
                }
            };
            if let Some(value) = value {
                layer.insert((*name).to_owned(), value);
            }
        }
        layer
    }

    pub(super) fn cmd(&mut self, value: &'s Node, names: Names<'_>) -> Vec<Template> {
        let words: Vec<(&Node, Cow<'_, str>)> = match &value.value {
            Value::List(items) => {
                let word = |item| Some((item, Cow::Borrowed(self.scalar(item)?)));
                items.iter().filter_map(word).collect()
            }
            Value::Null | Value::Scalar(_) | Value::Map(_) => {
                let Some(text) = self.scalar(value) else { return Vec::new() };
                match shell_words::split(text) {
                    Ok(words) => words.into_iter().map(|word| (value, Cow::Owned(word))).collect(),
                    Err(_) => {
                        self.report.error(
                            value,
                            "has an open quote: close it, or write a list, one item an argument",
                        );
                        return Vec::new();
                    }
                }
            }
        };
        // What is no word has been told.
        let is_empty = !matches!(&value.value, Value::List(items) if !items.is_empty());
        let expanded = words.iter().map(|(at, word)| self.expand(at, word, names));
        let expanded: Vec<Option<Template>> = expanded.collect();
        match expanded.first() {
            None if is_empty => self.report.error(value, "must not be empty"),
            None => {}
            Some(Some(first)) if first.len() == 0 => {
                self.report.error(
                    value,
                    "begins with an empty word, where the program to run should stand",
                );
            }
            Some(Some(first)) => {
                if let Err(why) = values::path_as_expanded(first.beginning()) {
                    self.report.error(value, format!("the program to run {why}"));
                }
            }
            Some(None) => {}
        }
        let mut words: Vec<Template> = expanded.into_iter().flatten().collect();
        words.shrink_to_fit();
        words
    }

    fn env_file(&mut self, item: &'s Node, names: Names<'_>) -> Option<EnvFile> {
        let text = self.scalar(item)?;
        let (path, optional) = match text.strip_prefix('-') {
            Some(path) => (path, true),
            None => (text, false),
        };
        let path = self.expand(item, path, names)?;
        Some(EnvFile { path: self.absolute(item, path)?, optional })
    }

    /// An expanded text that is not empty.
    fn expanded(&mut self, value: &'s Node, names: Names<'_>) -> Option<Template> {
        let text = self.scalar(value)?;
        let template = self.expand(value, text, names)?;
        self.not_empty(value, template)
    }

    /// The path, from the folder of the file that says it if it is relative.
    pub(super) fn absolute(&mut self, at: &Node, path: Template) -> Option<Template> {
        let path = self.not_empty(at, path)?;
        let path = self.checked(at, path)?;
        if path.beginning().starts_with('/') {
            return Some(path);
        }
        let folder = self.here(at).to_string_lossy();
        let slash = if folder.ends_with('/') { "" } else { "/" };
        Some(path.after(&format!("{folder}{slash}")))
    }

    fn checked(&mut self, at: &Node, path: Template) -> Option<Template> {
        let checked = values::path_as_expanded(path.beginning());
        checked.map_err(|why| self.report.error(at, why)).is_ok().then_some(path)
    }

    fn not_empty(&mut self, at: &Node, template: Template) -> Option<Template> {
        if template.len() == 0 {
            self.report.error(at, "must not be empty");
            return None;
        }
        Some(template)
    }

    pub(super) fn expand(&mut self, at: &Node, text: &str, names: Names<'_>) -> Option<Template> {
        let here = self.here(at).to_string_lossy();
        let scope = Scope {
            program: match names.of {
                Of::Program(program) => Some(program),
                Of::Defaults | Of::Nobody => None,
            },
            here: &here,
            layers: names.layers,
            environment: &self.surroundings.env,
        };
        match scope.expand(text) {
            Ok(_) | Err(Fault::Unknown(_) | Fault::TooLong)
                if !names.is_settled() && text.contains("${") =>
            {
                None
            }
            Ok(template) => {
                let kept = template.len() + size_of::<Template>();
                self.spend(at, kept).then_some(template)
            }
            Err(fault) => {
                let split = matches!(fault, Fault::Unclosed(_)) && at.text() != Some(text);
                let hint = if split { "; quote it if it was cut at a space" } else { "" };
                self.report.error(at, format!("{fault}{hint}"));
                None
            }
        }
    }
}
