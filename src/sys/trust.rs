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
use super::place::{Link, Place};
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
        let may_own = |owner: u32| owner == 0 || users.contains(&owner);
        let judge = |about: &FileStat, what: &str, path: &Path| {
            let (owner, shown) = (about.st_uid, path.display());
            if !may_own(owner) {
                let owner = users::name_of(owner).unwrap_or_else(|| owner.to_string());
                return Some(format!(
                    "{what} belongs to {owner}, who could make root run anything: \
                     chown root {shown}"
                ));
            }
            let is_folder = about.st_mode & libc::S_IFMT == libc::S_IFDIR;
            let passes = is_folder && about.st_mode & libc::S_ISVTX != 0;
            (about.st_mode & 0o022 != 0 && !passes)
                .then(|| format!("{what} may be written by others: chmod go-w {shown}"))
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
            .or_else(|| self.links.iter().find_map(|link| self.strange(link, may_own)))
    }

    fn strange(&self, link: &Link, may_own: impl Fn(u32) -> bool) -> Option<String> {
        if may_own(link.owner) || link.leads_to == Some(link.owner) {
            return None;
        }
        let owner = users::name_of(link.owner).unwrap_or_else(|| link.owner.to_string());
        let real = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        Some(format!(
            "its path has a symbolic link of {owner}'s, who could make root run anything: \
             name the file itself, {}",
            real.display()
        ))
    }
}
