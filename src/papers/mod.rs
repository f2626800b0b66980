//! The papers held to the tables: manual pages, completions, the sample, the README.
//!
//! Whatever the program knows must stand in them, and they name nothing that it does not know.
//! Here stands how a paper and a configuration are read; each file below has one kind of knowledge
//! and what is written of it, but for `mdoc`, which takes a manual page apart.

mod commands;
mod fears;
mod form;
mod keys;
mod log;
mod mdoc;
mod replies;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{self, Config, Files, Problems};

const PAGES: [&str; 5] = [
    "taskmaster.1",
    "taskmasterctl.1",
    "taskmaster.yaml.5",
    "taskmaster-protocol.7",
    "taskmaster-security.7",
];

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn paper(path: &str) -> String {
    fs::read_to_string(top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn page(name: &str) -> String {
    paper(&format!("man/{name}"))
}

fn set<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    all.into_iter().collect()
}

/// A configuration without a disk.
struct Text<'a>(&'a str);

impl Files for Text<'_> {
    fn read(&self, _: &Path) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, _: &Path) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn vet(&self, _: &Path, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
}

fn load(text: &str) -> Result<Config, Problems> {
    let env = [("HOME", "/home/me"), ("PATH", "/bin")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let surroundings =
        config::Surroundings { root: false, env: env.into(), cwd: PathBuf::from("/srv") };
    config::load(Path::new("/srv/taskmaster.yaml"), &surroundings, &Text(text))
}

/// Where a daemon listens that is not told.
fn default_listen() -> String {
    load("programs: {a: {cmd: a}}").unwrap().daemon.listen.to_string()
}
