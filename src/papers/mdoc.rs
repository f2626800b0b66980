//! The manual pages as data: lists, macros and literal blocks.
//!
//! Of mdoc(7) this understands as much as the pages use.

use std::fmt::Write as _;

/// An entry of a list.
pub(super) struct Item {
    /// 1 in the outermost list.
    pub(super) depth: usize,
    /// The line's words behind `.It`.
    pub(super) words: Vec<String>,
    /// The lines below, up to the next entry of any list.
    pub(super) body: String,
}

impl Item {
    pub(super) fn text(&self) -> String {
        rendered(&self.words)
    }
}

/// The entries of all lists in a section.
pub(super) fn items(page: &str, section: &str) -> Vec<Item> {
    let (mut items, mut depth, mut inside) = (Vec::<Item>::new(), 0, false);
    for line in page.lines() {
        if let Some(name) = line.strip_prefix(".Sh ") {
            inside = name == section;
        } else if line.starts_with(".Bl ") {
            depth += 1;
        } else if line == ".El" {
            depth -= 1;
        } else if let Some(words) = line.strip_prefix(".It ").filter(|_| inside) {
            let words = words.split(' ').map(str::to_owned).collect();
            items.push(Item { depth, words, body: String::new() });
        } else if let Some(last) = items.last_mut().filter(|_| inside) {
            let _ = writeln!(last.body, "{line}");
        }
    }
    assert!(!items.is_empty(), "no list in {section}");
    items
}

fn is_macro(word: &str) -> bool {
    let mut letters = word.chars();
    let (first, second, third) = (letters.next(), letters.next(), letters.next());
    first.is_some_and(|c| c.is_ascii_uppercase())
        && second.is_some_and(|c| c.is_ascii_lowercase())
        && third.is_none()
}

/// Words of mdoc as they are shown, less brackets.
fn rendered(words: &[String]) -> String {
    let (mut text, mut glue) = (String::new(), true);
    for word in words {
        match word.as_str() {
            "Fl" => {
                if !text.is_empty() && !glue {
                    text.push(' ');
                }
                text.push('-');
                glue = true;
            }
            "Ns" => glue = true,
            word if is_macro(word) => {}
            "," | ":" | ";" | "." => {
                text += word;
                glue = false;
            }
            word => {
                if !glue {
                    text.push(' ');
                }
                text += word;
                glue = false;
            }
        }
    }
    text
}

/// What stands behind a macro, everywhere in a page: the words up to the next macro.
pub(super) fn behind(page: &str, name: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix('.')) {
        let mut current: Option<Vec<String>> = None;
        for word in line.split(' ') {
            if is_macro(word) {
                found.extend(current.take().filter(|words| !words.is_empty()));
                current = (word == name).then(Vec::new);
            } else if let Some(words) = &mut current
                && word.starts_with(char::is_alphanumeric)
            {
                words.push(word.to_owned());
            }
        }
        found.extend(current.filter(|words| !words.is_empty()));
    }
    found
}

/// The literal blocks of a page, as they are shown.
pub(super) fn literals(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        if line.starts_with(".Bd -literal") {
            block = Some(String::new());
        } else if line == ".Ed" {
            blocks.extend(block.take());
        } else if let Some(block) = &mut block {
            let _ = writeln!(block, "{}", line.replace("\\&", "").replace("\\e", "\\"));
        }
    }
    blocks
}
