//! Where a name leads: a folder held open, and the last name in it.
//!
//! Root works in folders of other users, who can put a symbolic link in the place of anything
//! that is theirs, at any moment. So a path is gone through one name at a time, each folder is held
//! while the next name is looked up in it, and each link is judged by what it is itself. What is
//! done afterwards is done in the very folder that was found.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

/// As many links as a path may lead through.
const LINKS: usize = 40;

/// A name in a folder.
#[derive(Debug)]
pub struct Place {
    folder: OwnedFd,
    name: OsString,
}

/// A symbolic link on the way.
#[derive(Debug, Clone)]
pub struct Link {
    /// Whose it is.
    pub owner: u32,
    /// Whose the folder is that it leads to; none: it stands at the end of the path.
    pub leads_to: Option<u32>,
    /// The folder that it lies in.
    lies_in: FileStat,
    /// The name of that, as the kernel knows it.
    folder: PathBuf,
}

/// Says of each link whether it may be followed.
type Judge<'a> = &'a mut dyn FnMut(Link) -> io::Result<()>;

/// Who besides root and some users decides what a file holds, or a name in a folder leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// The owner.
    Owner(u32),
    /// The group, or anybody. Not in a sticky folder: what is another's in it stays.
    Writers,
}

/// The stranger to root and these users that a file or folder of this owner and mode is open to.
pub fn stranger(owner: u32, mode: u32, users: &[u32]) -> Option<Stranger> {
    if owner != 0 && !users.contains(&owner) {
        return Some(Stranger::Owner(owner));
    }
    let is_sticky = mode & libc::S_IFMT == libc::S_IFDIR && mode & libc::S_ISVTX != 0;
    (mode & 0o022 != 0 && !is_sticky).then_some(Stranger::Writers)
}

/// The rule for whatever is written to or read on another's behalf. A link is followed if root or
/// this user owns it, and nobody else can give it another name, so that nobody else can aim it; and
/// one to a folder of its owner's, since there the owner could have put anything without a link.
///
/// # Errors
/// A link of somebody else's, or one that somebody else may move.
pub fn own_links(link: Link) -> io::Result<()> {
    let me = super::users::me();
    let what = if link.leads_to.is_some() { "a folder on its way is" } else { "it is" };
    let lies_in = &link.lies_in;
    if ![0, me].contains(&link.owner) {
        let to_its_owners =
            link.leads_to == Some(link.owner) && [0, me, link.owner].contains(&lies_in.st_uid);
        return if to_its_owners {
            Ok(())
        } else {
            let why = format!("{what} a symbolic link that neither root nor this user owns");
            Err(io::Error::other(why))
        };
    }
    // A user's own group is most often the user's alone, and may write by a umask of 002.
    let is_own_group = me != 0 && lies_in.st_gid == super::users::my_group();
    let mode = if is_own_group { lies_in.st_mode & !0o020 } else { lies_in.st_mode };
    let who = match stranger(lies_in.st_uid, mode, &[me]) {
        None => return Ok(()),
        // Whose the folder is where it leads to could have put anything there.
        Some(Stranger::Owner(owner))
            if link.leads_to == Some(owner) && stranger(owner, mode, &[owner]).is_none() =>
        {
            return Ok(());
        }
        Some(Stranger::Owner(owner)) => super::users::called(owner),
        Some(Stranger::Writers) => "others".to_owned(),
    };
    Err(io::Error::other(format!(
        "{what} a symbolic link in {}, where {who} could put another in its place: name what it \
         leads to",
        link.folder.display()
    )))
}

impl Link {
    /// One of this owner's in this folder, at the end of its path.
    fn new(lies_in: &OwnedFd, owner: u32) -> io::Result<Self> {
        let name = format!("/proc/self/fd/{}", lies_in.as_raw_fd());
        let folder = std::fs::read_link(name).unwrap_or_else(|_| PathBuf::from("its folder"));
        Ok(Self { owner, leads_to: None, lies_in: fstat(lies_in.as_fd())?, folder })
    }
}

impl Place {
    /// Where the path itself is: a link at its end is not followed.
    ///
    /// # Errors
    /// Those of openat(2) and of the judge; a path without a name at its end.
    pub fn of(path: &Path, judge: Judge<'_>) -> io::Result<Self> {
        let start = if path.is_absolute() { "/" } else { "." };
        let start = nix::fcntl::open(start, folder_flags(), Mode::empty())?;
        Self::from(&start, path, judge, &mut LINKS.clone())
    }

    /// Where the path leads to: links at its end are followed, too. Nothing need be there.
    ///
    /// # Errors
    /// As [`Place::of`].
    pub fn behind(path: &Path, judge: Judge<'_>) -> io::Result<Self> {
        let mut place = Self::of(path, judge)?;
        let mut links = LINKS;
        while let Some((owner, target)) = place.link()? {
            judge(Link::new(&place.folder, owner)?)?;
            links = links.checked_sub(1).ok_or(Errno::ELOOP)?;
            place = Self::from(&place.folder, Path::new(&target), judge, &mut links)?;
        }
        Ok(place)
    }

    fn from(start: &OwnedFd, path: &Path, judge: Judge<'_>, links: &mut usize) -> io::Result<Self> {
        let name = path.file_name().ok_or(ErrorKind::IsADirectory)?.to_owned();
        let above = path.parent().unwrap_or(Path::new(""));
        let folder = walk(start.try_clone()?, above, judge, links)?;
        Ok(Self { folder, name })
    }

    /// The link that is here, its owner and its target; none: something else, or nothing.
    fn link(&self) -> io::Result<Option<(u32, OsString)>> {
        match held(&self.folder, &self.name) {
            Ok(handle) => link(&handle),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The place beside it with this at the end of its name.
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn beside(&self, end: &str) -> io::Result<Self> {
        let mut name = self.name.clone();
        name.push(end);
        Ok(Self { folder: self.folder.try_clone()?, name })
    }

    /// Opens what is here, CLOEXEC, and never by a link.
    ///
    /// # Errors
    /// Those of openat(2).
    pub fn open(&self, flags: OFlag, mode: u32) -> io::Result<File> {
        // A log may be larger than 2 GB, on any machine.
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_LARGEFILE;
        let mode = Mode::from_bits_truncate(mode);
        Ok(openat(&self.folder, self.name.as_os_str(), flags, mode)?.into())
    }

    /// What is here, a link itself.
    ///
    /// # Errors
    /// Those of fstatat(2).
    pub fn about(&self) -> io::Result<FileStat> {
        Ok(fstatat(&self.folder, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// What is known of the folder.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn about_folder(&self) -> io::Result<FileStat> {
        Ok(fstat(self.folder.as_fd())?)
    }

    /// Whether nobody but root and this user may put anything here.
    pub fn is_private(&self) -> bool {
        self.about_folder().is_ok_and(|folder| {
            [0, super::users::me()].contains(&folder.st_uid) && folder.st_mode & 0o022 == 0
        })
    }

    /// Refuses a file that was opened here and has other names as well, where others may put
    /// them: unless the kernel forbids it (fs.protected_hardlinks), anybody can give a file of
    /// root's a name in a folder of their own.
    ///
    /// # Errors
    /// That it is one.
    pub fn is_the_only_name(&self, about: &Metadata) -> io::Result<()> {
        if about.is_file() && about.nlink() > 1 && !self.is_private() {
            return Err(io::Error::other(
                "it has other names as well, in a folder that others may write",
            ));
        }
        Ok(())
    }

    /// Refuses what was opened here to be written to, where anybody may put files, as in a sticky
    /// folder, if it belongs to neither root, this user, nor the `user` whose output goes there. Its
    /// owner could read and change what is written. In a folder of one user's or a group's, that is
    /// what these are given the folder for.
    ///
    /// # Errors
    /// That it does.
    pub fn is_no_strangers(&self, about: &Metadata, user: Option<u32>) -> io::Result<()> {
        let (owner, me) = (about.uid(), super::users::me());
        let is_open = self.about_folder()?.st_mode & 0o002 != 0;
        if !is_open || [0, me].contains(&owner) || user == Some(owner) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "it belongs to {}, in a folder that anybody may write: move it away with mv, or chown it \
             to {}",
            super::users::called(owner),
            super::users::called(user.unwrap_or(me)),
        )))
    }

    /// Makes a folder here, for this user alone.
    ///
    /// # Errors
    /// Those of mkdirat(2).
    pub fn make_folder(&self) -> io::Result<()> {
        Ok(mkdirat(&self.folder, self.name.as_os_str(), Mode::S_IRWXU)?)
    }

    /// Gives what is here the name of another place.
    ///
    /// # Errors
    /// Those of renameat(2).
    pub fn rename(&self, to: &Self) -> io::Result<()> {
        let (from, name) = (self.name.as_os_str(), to.name.as_os_str());
        Ok(renameat(&self.folder, from, &to.folder, name)?)
    }

    /// Removes what is here, if it is no folder.
    ///
    /// # Errors
    /// Those of unlinkat(2).
    pub fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.folder, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir)?)
    }
}

fn walk(
    mut here: OwnedFd,
    path: &Path,
    judge: Judge<'_>,
    links: &mut usize,
) -> io::Result<OwnedFd> {
    for part in path.components() {
        here = match part {
            Component::RootDir => nix::fcntl::open("/", folder_flags(), Mode::empty())?,
            Component::CurDir | Component::Prefix(_) => continue,
            Component::ParentDir => held(&here, OsStr::new(".."))?,
            Component::Normal(name) => enter(here, name, judge, links)?,
        };
    }
    Ok(here)
}

/// The folder of this name. What is no folder is only found out by the next name in it.
fn enter(here: OwnedFd, name: &OsStr, judge: Judge<'_>, links: &mut usize) -> io::Result<OwnedFd> {
    let handle = held(&here, name)?;
    let Some((owner, target)) = link(&handle)? else { return Ok(handle) };
    *links = links.checked_sub(1).ok_or(Errno::ELOOP)?;
    let link = Link::new(&here, owner)?;
    let led = walk(here, Path::new(&target), judge, links)?;
    judge(Link { leads_to: Some(fstat(led.as_fd())?.st_uid), ..link })?;
    Ok(led)
}

/// What has this name, held and not opened: so it cannot become another while it is looked at.
fn held(folder: &OwnedFd, name: &OsStr) -> nix::Result<OwnedFd> {
    openat(folder, name, folder_flags(), Mode::empty())
}

fn folder_flags() -> OFlag {
    OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn link(handle: &OwnedFd) -> io::Result<Option<(u32, OsString)>> {
    let about = fstat(handle.as_fd())?;
    if SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT != SFlag::S_IFLNK {
        return Ok(None);
    }
    Ok(Some((about.st_uid, readlinkat(handle, "")?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{lchown, symlink};

    fn all(_: Link) -> io::Result<()> {
        Ok(())
    }

    #[test]
    fn a_path_leads_where_the_kernel_would_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("real/deep")).unwrap();
        fs::write(at("real/file"), "x").unwrap();
        symlink("real", at("folder")).unwrap();
        symlink("folder/../folder/deep", at("deep")).unwrap();
        symlink("deep/../file", at("last")).unwrap();
        symlink(at("real"), at("absolute")).unwrap();
        for name in ["folder/file", "deep/../file", "last", "absolute/file", "./real/./file"] {
            let about = Place::behind(&at(name), &mut all).unwrap().about().unwrap();
            let ino = fs::metadata(at(name)).unwrap().ino();
            assert_eq!(libc::ino64_t::from(about.st_ino), ino, "{name}");
        }
        let place = Place::of(&at("last"), &mut all).unwrap();
        let ino = fs::symlink_metadata(at("last")).unwrap().ino();
        assert_eq!(libc::ino64_t::from(place.about().unwrap().st_ino), ino);
    }

    #[test]
    fn nothing_may_be_there_and_a_circle_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(Place::behind(&at("none"), &mut all).is_ok());
        let gone = Place::behind(&at("none/file"), &mut all).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
        fs::write(at("file"), "x").unwrap();
        let within = Place::of(&at("file/name"), &mut all).unwrap().about().unwrap_err();
        assert_eq!(within.raw_os_error(), Some(libc::ENOTDIR));
        symlink("circle", at("circle")).unwrap();
        for name in ["circle", "circle/file"] {
            let error = Place::behind(&at(name), &mut all).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ELOOP), "{name}");
        }
        assert!(Place::of(Path::new("/"), &mut all).is_err());
    }

    #[test]
    fn a_strangers_link_is_followed_only_to_what_is_the_strangers() {
        if !super::super::users::is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, owner) in [("roots", 0), ("strangers", 12)] {
            fs::create_dir(at(name)).unwrap();
            lchown(at(name), Some(owner), None).unwrap();
            symlink(name, at(&format!("to-{name}"))).unwrap();
            lchown(at(&format!("to-{name}")), Some(12), None).unwrap();
        }
        assert!(Place::of(&at("to-strangers/log"), &mut own_links).is_ok());
        assert!(Place::of(&at("to-roots/log"), &mut own_links).is_err());
        assert!(Place::behind(&at("to-strangers"), &mut own_links).is_err(), "at the end");
        lchown(at("to-roots"), Some(0), None).unwrap();
        assert!(Place::of(&at("to-roots/log"), &mut own_links).is_ok());
    }

    #[test]
    fn where_others_may_put_files_none_is_taken_but_ones_own() {
        if !super::super::users::is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let place = Place::of(&folder.path().join("log"), &mut all).unwrap();
        fs::write(folder.path().join("log"), "").unwrap();
        for bits in [0o1777, 0o775, 0o755] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(bits);
            fs::set_permissions(folder.path(), mode).unwrap();
            let is_open = bits == 0o1777;
            for (owner, user, is_fine) in
                [(0, None, true), (0, Some(12), true), (12, Some(12), true), (12, None, false)]
            {
                lchown(folder.path().join("log"), Some(owner), None).unwrap();
                let about = fs::metadata(folder.path().join("log")).unwrap();
                let said = place.is_no_strangers(&about, user);
                assert_eq!(said.is_ok(), is_fine || !is_open, "{bits:o} {owner} {user:?}");
            }
        }
    }

    #[test]
    fn a_link_is_followed_where_only_who_may_aim_it_can_move_it() {
        if !super::super::users::is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let chmod = |bits| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(bits);
            fs::set_permissions(at("f"), mode).unwrap();
        };
        for (name, owner) in [("f", 0), ("to", 0)] {
            fs::create_dir(at(name)).unwrap();
            lchown(at(name), Some(owner), None).unwrap();
        }
        symlink("../to", at("f/link")).unwrap();
        let goes = |owners: [u32; 3]| {
            for (name, owner) in ["f", "f/link", "to"].into_iter().zip(owners) {
                lchown(at(name), Some(owner), None).unwrap();
            }
            Place::of(&at("f/link/log"), &mut own_links).is_ok()
        };
        // Of the folder, the link and what it leads to.
        assert!(goes([0, 0, 0]) && goes([0, 0, 12]) && goes([0, 12, 12]) && goes([12, 12, 12]));
        assert!(!goes([12, 0, 0]) && !goes([12, 13, 13]) && !goes([12, 12, 0]));
        assert!(goes([12, 0, 12]) && !goes([12, 0, 13]));
        chmod(0o775);
        assert!(!goes([0, 0, 0]) && goes([12, 12, 12]) && !goes([12, 0, 12]));
        chmod(0o1777);
        assert!(goes([0, 0, 0]) && goes([0, 12, 12]) && !goes([12, 0, 0]));
    }
}
