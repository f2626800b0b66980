//! The rooms and what each may know of the others; and where unsafe code may stand.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms under src/, each with those that it may name. A room may always name itself;
/// main.rs and cli.rs are the door, and may name all.
const MAY_NAME: [(&str, &[&str]); 9] = [
    ("config", &[]),
    ("supervisor", &["config"]),
    ("protocol", &["supervisor", "config"]),
    ("sys", &[]),
    ("logger", &["sys"]),
    ("mail", &["config", "sys"]),
    ("shell", &["protocol", "config", "sys", "supervisor"]),
    ("daemon", &["config", "supervisor", "protocol", "sys", "logger", "mail"]),
    // Tests alone.
    ("papers", &["cli", "config", "protocol", "supervisor"]),
];

/// The one file outside of sys/ with unsafe functions: a trait of linefeed's declares them so.
const DECLARED_UNSAFE: &str = "src/shell/terminal.rs";

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file in a folder and below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file's text without its comments. A `//` within a string goes as well, which hides at most
/// the rest of its line.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let bare = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(bare).collect::<Vec<_>>().join("\n")
}

/// The rooms that a text names, as `crate::room` or within `crate::{...}`.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads(group)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// The first word of each entry of a group, up to the brace that closes it.
fn heads(group: &str) -> Vec<String> {
    let (mut heads, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, letter) in group.char_indices() {
        let ends = depth == 0 && matches!(letter, ',' | '}');
        if ends {
            heads.push(word(group[start..at].trim_start()));
            start = at + 1;
        }
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_room_names_only_those_it_may() {
    for (room, may) in MAY_NAME {
        for file in files(&src().join(room)) {
            for name in named(&code(&file)) {
                let allowed = name == room || may.contains(&name.as_str());
                assert!(allowed, "{}: {room} must not know {name}", file.display());
            }
        }
    }
}

#[test]
fn every_folder_is_a_room_of_the_table() {
    for entry in fs::read_dir(src()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let known = MAY_NAME.iter().any(|(room, _)| *room == name);
        assert!(!path.is_dir() || known, "{name} is in no row of the table");
    }
}

#[test]
fn unsafe_code_stands_in_sys_alone() {
    let here = src().join("rooms.rs");
    let sys = src().join("sys");
    for file in files(&src()).iter().filter(|file| !file.starts_with(&sys) && **file != here) {
        let code = code(file);
        let declared = file.ends_with(DECLARED_UNSAFE);
        for (number, line) in code.lines().enumerate() {
            let function = line.contains("unsafe fn") && !declared;
            let other = ["unsafe {", "unsafe extern", "unsafe impl", "unsafe trait"]
                .iter()
                .any(|form| line.contains(form));
            assert!(!function && !other, "{}:{}: {line}", file.display(), number + 1);
        }
    }
}

#[test]
fn names_are_found_in_every_form_of_use() {
    let code = "use crate::config::Signal;\nuse crate::{sys, daemon::{self, a, b}, shell as s};\n\
                let x = crate::protocol::PROTOCOL; pub(crate) fn f() {}";
    assert_eq!(named(code), ["config", "sys", "daemon", "shell", "protocol"]);
}
