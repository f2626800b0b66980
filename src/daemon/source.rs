//! The configuration's files, as the system has them.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, Files, Problems, Surroundings};
use crate::sys::{cause, files, users};

/// The most that a configuration file may hold, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Reads files from the disk.
#[derive(Debug)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, String> {
        files::read_small(path, LIMIT).map_err(|error| cause(&error))
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(folder).map_err(|error| cause(&error))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    fn vet(&self, path: &Path, daemon_user: Option<&str>) -> Result<(), String> {
        if !users::is_root() {
            return Ok(());
        }
        let user: Vec<u32> = daemon_user.and_then(users::uid_of).into_iter().collect();
        files::distrust(path, &user).map_or(Ok(()), Err)
    }
}

/// The configuration file: the one that is named, else the first that exists.
///
/// # Errors
/// That there is none, and where it was looked for.
pub fn locate(named: Option<&Path>, surroundings: &Surroundings) -> Result<PathBuf, String> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    let candidates = config::candidates(surroundings);
    candidates.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let places: Vec<String> =
            candidates.iter().map(|path| path.display().to_string()).collect();
        format!("no configuration file: looked for {}; name one with -c FILE", places.join(", "))
    })
}

/// Reads and checks the configuration.
///
/// # Errors
/// Every problem in it.
pub fn load(path: &Path, surroundings: &Surroundings) -> Result<Config, Problems> {
    config::load(path, surroundings, &Disk)
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
