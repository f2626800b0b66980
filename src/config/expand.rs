//! Expansion: what `${...}` stands for, as far as it can be told when the configuration
//! is read.

use super::template::{Draft, Piece, Template};
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of a template at most: execve(2) takes no longer argument or variable.
const LONGEST: usize = 128 * 1024 - 1;
/// `${...}` within `${...}`, at most.
const DEEPEST: usize = 16;

/// What the names in a text mean.
pub(super) struct Scope<'a> {
    /// `${program}`; none where a text stands outside any program.
    pub(super) program: Option<&'a str>,
    /// `${here}`.
    pub(super) here: &'a str,
    /// The maps a name is looked for in, in turn, ...
    pub(super) layers: &'a [&'a BTreeMap<String, Template>],
    /// ... and the daemon's environment, the last.
    pub(super) environment: &'a BTreeMap<String, String>,
}

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    Unclosed(String),
    Unknown(String),
    Malformed(String),
    TooDeep,
    TooLong,
    Nul,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = super::values::shown;
        match self {
            Fault::Unclosed(rest) => {
                write!(
                    f,
                    "{} lacks its `}}`; a `${{` that is meant as such is written $${{",
                    shown(rest)
                )
            }
            Fault::Unknown(name) => {
                let name = shown(name);
                write!(
                    f,
                    "nothing sets ${{{name}}}: give it a default, ${{{name}:-...}}, or write \
                     $${{{name}}} if it is meant as such"
                )
            }
            Fault::Malformed(inside) => {
                let inside = shown(inside);
                write!(
                    f,
                    "${{{inside}}} is neither ${{NAME}} nor ${{NAME:-default}}; if it is meant as \
                     such, write $${{{inside}}}"
                )
            }
            Fault::TooDeep => write!(f, "holds ${{...}} more than {DEEPEST} deep"),
            Fault::TooLong => {
                write!(f, "is longer than {LONGEST} bytes, which no program can be given")
            }
            Fault::Nul => f.write_str("must not hold a NUL byte"),
        }
    }
}

impl Scope<'_> {
    /// Expands `${NAME}` and `${NAME:-default}`; `$${` stands for `${`, any other `$`
    /// for itself.
    pub(super) fn expand(&self, text: &str) -> Result<Template, Fault> {
        let mut draft = Draft::default();
        self.expand_into(&mut draft, text, 0)?;
        match draft.contains('\0') {
            true => Err(Fault::Nul),
            false => Ok(draft.finish()),
        }
    }

    fn expand_into(&self, into: &mut Draft, text: &str, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST {
            return Err(Fault::TooDeep);
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                into.push_str(before);
                into.push_str("${");
                rest = after;
                continue;
            }
            into.push_str(before);
            let Some((inside, behind)) = split_closed(after) else {
                return Err(Fault::Unclosed(format!("${{{after}")));
            };
            self.resolve(into, inside, depth)?;
            within_bounds(into)?;
            rest = behind;
        }
        into.push_str(rest);
        within_bounds(into)
    }

    /// Appends what stands for `${inside}`.
    fn resolve(&self, into: &mut Draft, inside: &str, depth: usize) -> Result<(), Fault> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.".contains(letter);
        if name.is_empty() || !name.chars().all(fits) {
            return Err(Fault::Malformed(inside.to_owned()));
        }
        let value = self.value(name);
        match (value, default) {
            (Some(value), None) => into.append(value),
            (Some(value), Some(_)) if value.as_plain() != Some("") => into.append(value),
            (_, Some(default)) => self.expand_into(into, default, depth + 1)?,
            (None, None) => return Err(Fault::Unknown(name.to_owned())),
        }
        Ok(())
    }

    fn value(&self, name: &str) -> Option<Template> {
        match name {
            // Outside any program it is no less open than the names that processes have.
            "program" => Some(self.program.map_or(Piece::Name.into(), Template::from)),
            "here" => Some(Template::from(self.here)),
            "index" => Some(Template::from(Piece::Index)),
            "name" => Some(Template::from(Piece::Name)),
            _ => {
                let layered = self.layers.iter().find_map(|layer| layer.get(name)).cloned();
                layered.or_else(|| self.environment.get(name).map(|v| Template::from(v.as_str())))
            }
        }
    }
}

fn within_bounds(draft: &Draft) -> Result<(), Fault> {
    if draft.len() > LONGEST { Err(Fault::TooLong) } else { Ok(()) }
}

/// Splits at the `}` that closes what was opened before this text.
fn split_closed(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        let outer = BTreeMap::from([
            ("A".to_owned(), Template::from("outer")),
            ("E".to_owned(), Template::from("")),
        ]);
        let inner = BTreeMap::from([
            ("A".to_owned(), Template::from("inner")),
            ("PORT".to_owned(), numbered()),
        ]);
        let environment = BTreeMap::from(
            [("A", "env"), ("HOME", "/home/me")].map(|(n, v)| (n.to_owned(), v.to_owned())),
        );
        let scope = Scope {
            program: Some("web"),
            here: "/etc",
            layers: &[&inner, &outer],
            environment: &environment,
        };
        scope.expand(text).map(|t| t.expand(3, "web:3")).map_err(|fault| fault.to_string())
    }

    fn numbered() -> Template {
        let mut draft = Draft::default();
        draft.push_str("80");
        draft.push(Piece::Index);
        draft.finish()
    }

    #[test]
    fn names_are_looked_up_from_the_inside_out() {
        for (text, expanded) in [
            ("${A}", "inner"),
            ("x${HOME}/y", "x/home/me/y"),
            ("${PORT}", "803"),
            ("${program} ${index} ${name} ${here}", "web 3 web:3 /etc"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn a_default_stands_in_for_what_is_unset_or_empty() {
        for (text, expanded) in [
            ("${X:-d}", "d"),
            ("${E:-d}", "d"),
            ("${E}", ""),
            ("${A:-d}", "inner"),
            ("${X:-}", ""),
            ("${X:-${Y:-${A}}}!", "inner!"),
            ("${X:-{\"a\":1}}", "{\"a\":1}"),
            ("${PORT:-d}", "803"),
            ("${X:-$${Y}}", "${Y}"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn other_dollars_are_just_that() {
        for (text, expanded) in [
            ("$$", "$$"),
            ("$HOME", "$HOME"),
            ("a$", "a$"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("}{", "}{"),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(expanded), "{text}");
        }
    }

    #[test]
    fn a_fault_says_the_way_out() {
        for (text, why) in [
            (
                "${X}",
                "nothing sets ${X}: give it a default, ${X:-...}, or write $${X} if it is meant as such",
            ),
            ("a ${A", "${A lacks its `}`; a `${` that is meant as such is written $${"),
            ("${}", "${} is neither"),
            (
                "${a b}",
                "${a b} is neither ${NAME} nor ${NAME:-default}; if it is meant as such, write $${a b}",
            ),
            ("a\0", "must not hold a NUL byte"),
        ] {
            assert!(
                expand(text).unwrap_err().starts_with(why.trim_end_matches("${} is neither")),
                "{text}"
            );
        }
    }

    #[test]
    fn neither_depth_nor_length_runs_away() {
        let deep = "${X:-".repeat(100_000) + &"}".repeat(100_000);
        assert_eq!(expand(&deep).unwrap_err(), Fault::TooDeep.to_string());
        assert_eq!(expand(&"${HOME}".repeat(100_000)).unwrap_err(), Fault::TooLong.to_string());
        assert_eq!(expand(&"x".repeat(200_000)).unwrap_err(), Fault::TooLong.to_string());
    }

    #[test]
    fn equal_texts_are_equal_templates() {
        let scope =
            Scope { program: Some("a"), here: "", layers: &[], environment: &BTreeMap::new() };
        let template = scope.expand("${X:-}${program}b${Y:-}").unwrap();
        assert_eq!(template, Template::from("ab"));
        assert!(template.as_plain().is_some() && numbered().as_plain().is_none());
        assert_eq!(Template::from("").as_plain(), Some(""));
    }
}
