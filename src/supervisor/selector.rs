//! Which processes a selector means.
//!
//! `web` is every process of the program, `web:1` one of them, `all` all, and with
//! `*` (any run of characters) or `?` (any one) in it a pattern over the names of
//! processes and programs. `web:*` is every process of the program, as in Supervisor, also
//! where there is but one and it is called `web`.

use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;

use super::{Id, Supervisor};
use crate::config::{glob, nearest};

/// A selector that matches nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown {
    /// As it was typed.
    pub selector: String,
    /// A name that is like it.
    pub near: Option<String>,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown: String = self.selector.chars().take(128).collect();
        if shown.len() < self.selector.len() {
            shown.push('\u{2026}');
        }
        write!(f, "no such process: {shown}")?;
        match &self.near {
            Some(near) => write!(f, "; did you mean {near}?"),
            None => f.write_str("; status lists them all"),
        }
    }
}

/// The selectors less those that are repeated: a line holds thousands, and what one of them means is
/// looked for among all names.
fn each_once(selectors: &[String]) -> impl Iterator<Item = &String> {
    let mut seen = HashSet::new();
    selectors.iter().filter(move |selector| seen.insert(*selector))
}

impl Supervisor {
    /// The processes that any of the selectors means, each once, by program and number.
    ///
    /// # Errors
    /// The first selector that means none. `all` may mean none: there may be no programs.
    pub fn select(&self, selectors: &[String]) -> Result<Vec<Id>, Unknown> {
        if selectors.iter().any(|selector| selector == "all") {
            self.each_matches(selectors)?;
            return Ok(self.all());
        }
        let mut chosen = BTreeSet::new();
        for selector in each_once(selectors) {
            let found = self.one(selector);
            if found.is_empty() {
                return Err(self.unknown(selector));
            }
            chosen.extend(found);
        }
        Ok(chosen.into_iter().filter_map(|key| self.names.get(&key).copied()).collect())
    }

    /// The processes that any of the selectors means; one that means none means none.
    pub fn select_known(&self, selectors: &[String]) -> BTreeSet<Id> {
        let meant = |selector: &String| match selector.as_str() {
            "all" => self.all(),
            selector => {
                self.one(selector).iter().filter_map(|key| self.names.get(key).copied()).collect()
            }
        };
        each_once(selectors).flat_map(meant).collect()
    }

    fn each_matches(&self, selectors: &[String]) -> Result<(), Unknown> {
        let stray = each_once(selectors).find(|s| *s != "all" && self.one(s).is_empty());
        stray.map_or(Ok(()), |selector| Err(self.unknown(selector)))
    }

    fn one(&self, selector: &str) -> Vec<(Rc<str>, u32)> {
        if selector.contains(['*', '?']) {
            return self.matching(selector);
        }
        // A name has no colon, so what follows one is a number, as it is shown.
        if let Some((program, digits)) = selector.rsplit_once(':') {
            let index = digits.parse().ok().filter(|index: &u32| index.to_string() == digits);
            let key = index.map(|index| (Rc::from(program), index));
            return key.filter(|key| self.names.contains_key(key)).into_iter().collect();
        }
        let name: Rc<str> = Rc::from(selector);
        self.names.range((name.clone(), 0)..=(name, u32::MAX)).map(|(key, _)| key.clone()).collect()
    }

    fn matching(&self, pattern: &str) -> Vec<(Rc<str>, u32)> {
        // Of a run of stars one says it all; a line holds thousands.
        let mut pattern = pattern.to_owned();
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        let pattern = pattern.as_str();
        let program = pattern.strip_suffix(":*").unwrap_or(pattern);
        let means = |key: &(Rc<str>, u32), id: &Id| {
            glob(program, &key.0) || self.get(*id).is_some_and(|p| glob(pattern, &p.name()))
        };
        self.names.iter().filter(|(key, id)| means(key, id)).map(|(key, _)| key.clone()).collect()
    }

    fn unknown(&self, selector: &str) -> Unknown {
        let names = self.ids().filter_map(|id| self.get(id));
        let names: BTreeSet<String> =
            names.flat_map(|p| [p.program.name.to_string(), p.name()]).collect();
        let near = nearest(selector, names.iter().map(String::as_str)).map(str::to_owned);
        Unknown { selector: selector.to_owned(), near }
    }
}
