//! The texts that a configuration was read from: it can be read from them again, whatever its files
//! say by now. Pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::Files;

/// Files and folders by their paths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Texts {
    pub(super) files: BTreeMap<PathBuf, String>,
    pub(super) folders: BTreeMap<PathBuf, Vec<String>>,
    /// Folders that could not be listed, and why: a glob may well go on without one.
    #[serde(default)]
    pub(super) unlisted: BTreeMap<PathBuf, String>,
}

/// From texts that were read before, and were trusted then.
impl Files for Texts {
    fn read(&self, path: &Path) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| "it was not handed over".to_owned())
    }

    fn list(&self, folder: &Path) -> Result<Vec<String>, String> {
        let why = || match self.unlisted.get(folder) {
            Some(why) => why.clone(),
            None => "it was not handed over".to_owned(),
        };
        self.folders.get(folder).cloned().ok_or_else(why)
    }

    fn vet(&self, _: &Path, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
}
