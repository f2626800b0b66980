//! The papers as such: the manual pages are good mdoc and fit a terminal, the README is short and
//! points to what is there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{PAGES, default_listen, page, paper, top};

#[test]
fn the_readme_is_short_and_names_the_commands_that_are_run() {
    let (readme, ci) = (paper("README.md"), paper(".ci/run"));
    assert!(readme.lines().count() <= 200, "{} lines", readme.lines().count());
    for command in ["cargo run --release -- up", "cargo test --locked"] {
        assert!(readme.contains(command), "{command}");
    }
    assert!(page("taskmaster.yaml.5").contains(&default_listen()));
    for command in [
        "cargo fmt --check",
        "cargo clippy --locked --all-targets -- -D warnings",
        "cargo test --locked",
    ] {
        assert!(ci.lines().any(|line| line == command), "{command}");
    }
    let mode = fs::metadata(top(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it can be executed");
    for paper in PAGES.map(|page| format!("man/{page}")) {
        let (_, section) = paper.rsplit_once('.').unwrap();
        assert!(readme.contains(&format!("man/*.{section}")), "{paper}");
    }
}

fn mandoc(args: &[&str], name: &str) -> Option<std::process::Output> {
    Command::new("mandoc").args(args).arg(top("man").join(name)).output().ok()
}

#[test]
fn mandoc_finds_nothing_to_warn_of() {
    for name in PAGES {
        let Some(output) = mandoc(&["-T", "lint", "-W", "warning"], name) else { return };
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && found.is_empty(), "{found}");
    }
}

#[test]
fn the_pages_fit_80_columns() {
    for name in PAGES {
        let Some(output) = mandoc(&["-T", "ascii"], name) else { return };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            // Bold and underlined are a letter, a backspace and a letter.
            let columns = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(columns <= 80, "{name}: {line}");
        }
    }
}
