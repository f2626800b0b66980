//! Whether root may do what a file says.
//!
//! What is judged is what was opened: the file itself, the folder that it was found in and the
//! links that led there. A name that is looked up twice may be two files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, fstat};

use super::files::regular;
use super::place::{Link, Place, Stranger, stranger};
use super::users;

/// Where a file that was opened came from.
#[derive(Debug)]
pub struct Provenance {
    path: PathBuf,
    file: FileStat,
    /// Those that the name and the file lie in.
    folders: [FileStat; 2],
    links: Vec<Link>,
}

/// Opens a regular file for reading, so that a FIFO cannot hold the caller up, and notes where it
/// came from.
///
/// # Errors
/// Those of open(2); one that is no regular file.
pub fn open(path: &Path) -> io::Result<(File, Provenance)> {
    let mut links = Vec::new();
    let mut note = |link| {
        links.push(link);
        Ok(())
    };
    let named = Place::of(path, &mut note)?.about_folder()?;
    let place = Place::behind(path, &mut note)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = regular(place.open(flags, 0)?)?;
    let folders = [named, place.about_folder()?];
    let provenance = Provenance { path: path.to_owned(), file: fstat(&file)?, folders, links };
    Ok((file, provenance))
}

impl Provenance {
    /// Why root may not trust the file, with the command that mends it; `users` are those who may
    /// own it besides root.
    pub fn distrust(&self, users: &[u32]) -> Option<String> {
        let judge = |about: &FileStat, what: &str, path: &Path| {
            let shown = path.display();
            Some(match stranger(about.st_uid, about.st_mode, users)? {
                Stranger::Owner(owner) => format!(
                    "{what} belongs to {}, who could make root run anything: chown root {shown}",
                    users::called(owner)
                ),
                Stranger::Writers => {
                    format!("{what} may be written by others: chmod go-w {shown}")
                }
            })
        };
        let above = |path: &Path| match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let [named, real] = &self.folders;
        let real_path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        judge(&self.file, "this file", &self.path)
            .or_else(|| judge(named, "its folder", &above(&self.path)))
            .or_else(|| judge(real, "the folder that its link leads to", &above(&real_path)))
            .or_else(|| self.links.iter().find_map(|link| self.strange(link, users)))
    }

    fn strange(&self, link: &Link, users: &[u32]) -> Option<String> {
        if link.owner == 0 || users.contains(&link.owner) || link.leads_to == Some(link.owner) {
            return None;
        }
        let owner = users::called(link.owner);
        let real = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        Some(format!(
            "its path has a symbolic link of {owner}'s, who could make root run anything: \
             name the file itself, {}",
            real.display()
        ))
    }
}
