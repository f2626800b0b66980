//! The configuration's files, as the system has them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::texts::Texts;
use crate::config::{self, Config, Files, Problems, Surroundings};
use crate::sys::trust::{self, Provenance};
use crate::sys::{cause, files, users};

/// The most that a configuration file may hold, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Reads files from the disk, and remembers where each came from: what is vetted is what was read.
#[derive(Debug, Default)]
struct Disk {
    read: RefCell<BTreeMap<PathBuf, Provenance>>,
}

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        let text = trust::open(path).and_then(|(file, provenance)| {
            self.read.borrow_mut().insert(path.to_owned(), provenance);
            files::read_text(file, LIMIT)
        });
        text.map_err(|error| cause(&error))
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(folder).map_err(|error| cause(&error))?;
        // A name that is not UTF-8 is none that there is: to include it is an error, which names it.
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        Ok(entries.filter_map(|entry| entry.ok().map(name)).collect())
    }

    fn vet(&self, path: &Path, daemon_user: Option<&str>) -> Result<(), String> {
        if !users::is_root() {
            return Ok(());
        }
        let user: Vec<u32> = daemon_user.and_then(users::uid_of).into_iter().collect();
        let read = self.read.borrow();
        read.get(path).and_then(|provenance| provenance.distrust(&user)).map_or(Ok(()), Err)
    }
}

/// Reads from the disk, and keeps what it reads.
#[derive(Debug, Default)]
struct Recorder {
    disk: Disk,
    texts: RefCell<Texts>,
}

impl Files for Recorder {
    fn read(&self, path: &Path) -> Result<String, String> {
        let text = self.disk.read(path)?;
        self.texts.borrow_mut().files.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let listed = self.disk.list(folder);
        let mut texts = self.texts.borrow_mut();
        match &listed {
            Ok(names) => {
                texts.folders.insert(folder.to_owned(), names.clone());
            }
            Err(why) => {
                texts.unlisted.insert(folder.to_owned(), why.clone());
            }
        }
        listed
    }

    fn vet(&self, path: &Path, daemon_user: Option<&str>) -> Result<(), String> {
        self.disk.vet(path, daemon_user)
    }
}

/// Reads and checks the configuration, and keeps the texts that it was read from.
///
/// # Errors
/// Every problem in it.
pub fn load_and_keep(
    path: &Path,
    surroundings: &Surroundings,
) -> Result<(Config, Texts), Problems> {
    let recorder = Recorder::default();
    let config = config::load(path, surroundings, &recorder)?;
    Ok((config, recorder.texts.into_inner()))
}

/// The configuration file: the one that is named, else the first that exists.
///
/// # Errors
/// That there is none, and where it was looked for; that its path is no text.
pub fn locate(named: Option<&Path>, surroundings: &Surroundings) -> Result<PathBuf, String> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => first_candidate(surroundings)?,
    };
    config::vet_path(&path, surroundings).map(|()| path)
}

fn first_candidate(surroundings: &Surroundings) -> Result<PathBuf, String> {
    let candidates = config::candidates(surroundings);
    candidates.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let places: Vec<String> =
            candidates.iter().map(|path| path.display().to_string()).collect();
        format!("no configuration file: looked for {}; name one with -c FILE", places.join(", "))
    })
}

/// What a configuration may depend on besides its text, taken from this process.
pub fn surroundings() -> Surroundings {
    Surroundings {
        root: users::is_root(),
        env: std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
    }
}
