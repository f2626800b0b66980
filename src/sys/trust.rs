//! Whether root may do what a file says.
//!
//! What is judged is what was opened: the file itself, the folder that it was found in and the
//! links that led there. A name that is looked up twice may be two files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, fstat};

use super::files::{exposed, open_regular, regular};
use super::place::{Link, Place, Stranger, stranger};
use super::users;

/// Where a file that was opened came from.
#[derive(Debug)]
pub struct Provenance {
    file: FileStat,
    way: Way,
}

/// How a path leads to what it names.
#[derive(Debug)]
pub struct Way {
    path: PathBuf,
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
    let (place, way) = go(path)?;
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = regular(place.open(flags, 0)?)?;
    let provenance = Provenance { file: fstat(&file)?, way };
    Ok((file, provenance))
}

/// Opens a file with a secret in it, and says why it is not safe, with the command that mends it:
/// who can put another file in its place knows what the secret is. Only who is or was root, with
/// what `is_roots` says, is judged by where it lies, too.
///
/// # Errors
/// Those of open(2); one that is no regular file.
pub fn open_secret(path: &Path, is_roots: bool) -> io::Result<(File, Option<String>)> {
    if !is_roots {
        let file = open_regular(path)?;
        let why = exposed(&file, path);
        return Ok((file, why));
    }
    let (file, Provenance { way, .. }) = open(path)?;
    let why = exposed(&file, path).or_else(|| way.distrust(&[users::me()]));
    Ok((file, why))
}

/// How this path leads to what it names. Nothing need be there.
///
/// # Errors
/// Those of openat(2).
pub fn way(path: &Path) -> io::Result<Way> {
    // One without a name at its end, as `..`.
    let real = path.file_name().is_none().then(|| path.canonicalize()).transpose()?;
    go(real.as_deref().unwrap_or(path)).map(|(_, way)| way)
}

fn go(path: &Path) -> io::Result<(Place, Way)> {
    let mut links = Vec::new();
    let mut note = |link| {
        links.push(link);
        Ok(())
    };
    let named = Place::of(path, &mut note)?.about_folder()?;
    let place = Place::behind(path, &mut note)?;
    let folders = [named, place.about_folder()?];
    Ok((place, Way { path: path.to_owned(), folders, links }))
}

impl Provenance {
    /// Why root may not trust the file, with the command that mends it; `users` are those who may
    /// own it besides root.
    pub fn distrust(&self, users: &[u32]) -> Option<String> {
        judge(&self.file, "this file", &self.way.path, users).or_else(|| self.way.distrust(users))
    }
}

impl Way {
    /// Why root may not trust what is found there, whatever it is, with the command that mends it;
    /// `users` are those who may own the folder that it lies in besides root.
    pub fn distrust(&self, users: &[u32]) -> Option<String> {
        let above = |path: &Path| match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let [named, real] = &self.folders;
        let real_path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        judge(named, "its folder", &above(&self.path), users)
            .or_else(|| judge(real, "the folder that its link leads to", &above(&real_path), users))
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
             name what it leads to, {}",
            real.display()
        ))
    }
}

fn judge(about: &FileStat, what: &str, path: &Path, users: &[u32]) -> Option<String> {
    let shown = path.display();
    Some(match stranger(about.st_uid, about.st_mode, users)? {
        Stranger::Owner(owner) => format!(
            "{what} belongs to {}, who could make root run anything: chown root {shown}",
            users::called(owner)
        ),
        Stranger::Writers => format!("{what} may be written by others: chmod go-w {shown}"),
    })
}
