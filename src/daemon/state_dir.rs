//! The state folder: the lock that makes one daemon of it, the secret, the address.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::Daemon;
use crate::protocol::hello::{Secret, hex};
use crate::sys::lock::{Lock, LockError, take};
use crate::sys::place::{Place, own_links};
use crate::sys::users::Ids;
use crate::sys::{cause, children, clock, files, poll, random};

/// The most that a secret may hold, in bytes.
const SECRET_LIMIT: u64 = 4096;

/// What to do about a folder that cannot be used.
const WAY_OUT: &str = "name another folder in daemon.state_dir";

/// The folder, and the lock that keeps others out of it.
#[derive(Debug)]
pub(super) struct StateDir {
    folder: PathBuf,
    /// None: nothing can be kept in it.
    lock: Option<Lock>,
}

/// Why there is no state folder, and the way out.
#[derive(Debug)]
pub(super) enum NoStateDir {
    /// Another daemon has it.
    Held(String),
    /// It cannot be made or written to.
    Unusable(String),
}

impl std::fmt::Display for NoStateDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Held(why) | Self::Unusable(why) => f.write_str(why),
        }
    }
}

impl StateDir {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// What could not be done, why, and the way out.
    pub(super) fn open(daemon: &Daemon) -> Result<Self, NoStateDir> {
        let lock = lock(&daemon.state_dir, take_soon)?;
        Ok(Self { lock: Some(lock), ..Self::absent(daemon) })
    }

    /// One that cannot be used: nothing is kept.
    pub(super) fn absent(daemon: &Daemon) -> Self {
        Self { folder: daemon.state_dir.clone(), lock: None }
    }

    /// Whether something can be kept in it.
    pub(super) fn is_there(&self) -> bool {
        self.lock.is_some()
    }

    /// The same, with the lock that the version before this one holds.
    ///
    /// # Errors
    /// That the lock is not held.
    pub(super) fn resume(daemon: &Daemon, lock: Option<OwnedFd>) -> Result<Self, String> {
        let lock = lock.map(|lock| take(File::from(lock))).transpose();
        let lock = lock.map_err(|_| "the lock is not held".to_owned())?;
        Ok(Self { lock, ..Self::absent(daemon) })
    }

    /// Whether the folder is still where it was, with the lock in it.
    pub(super) fn is_in_place(&self) -> bool {
        let lock = self.folder.join("lock");
        self.lock().is_none_or(|fd| files::is_at(fd, &lock))
    }

    /// The folder is gone: makes it anew, with a lock, before another daemon does.
    ///
    /// # Errors
    /// As [`StateDir::open`].
    pub(super) fn make_anew(&mut self, secret: (&Path, &Secret)) -> Result<(), String> {
        self.lock = Some(lock(&self.folder, take).map_err(|why| why.to_string())?);
        let (path, secret) = secret;
        if path.symlink_metadata().is_err() {
            write_secret(path, &[secret.bytes(), b"\n"].concat())?;
        }
        Ok(())
    }

    /// The lock's descriptor.
    pub(super) fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(|lock| lock.as_fd())
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says where the control port listens.
    ///
    /// # Errors
    /// What could not be written, and why.
    pub(super) fn write_address(&self, address: SocketAddr) -> Result<(), String> {
        if !self.is_there() {
            return Ok(());
        }
        let path = self.folder.join("address");
        let write = || files::write_private(&path, format!("{address}\n").as_bytes());
        // On a full disk the old one may be what takes up the room.
        write()
            .or_else(|_| {
                self.remove_address();
                write()
            })
            .map_err(|error| format!("writing {}: {}", path.display(), cause(&error)))
    }

    /// Whether it is said there.
    pub(super) fn has_address(&self) -> bool {
        self.folder.join("address").symlink_metadata().is_ok()
    }

    /// Whether what lies in it is this daemon's: somebody may have removed the folder, and another
    /// daemon made one of the same name.
    pub(super) fn is_ours(&self) -> bool {
        self.is_there() && self.is_in_place()
    }

    /// The logger has ended.
    pub(super) fn remove_door(&self) {
        if self.is_ours() {
            for door in self.doors() {
                let _ = std::fs::remove_file(door);
            }
        }
    }

    /// Where the logger's door is, and where it is while another has that.
    pub(super) fn doors(&self) -> [PathBuf; 2] {
        super::logging::DOORS.map(|door| self.folder.join(door))
    }

    /// The logger that had its door in the place of all has ended: the other's gets there.
    pub(super) fn move_door(&self) {
        if self.is_ours() {
            let [in_place, meanwhile] = self.doors();
            let _ = std::fs::rename(meanwhile, in_place);
        }
    }

    /// Nobody listens any more.
    pub(super) fn remove_address(&self) {
        if self.is_ours() {
            let _ = std::fs::remove_file(self.folder.join("address"));
        }
    }
}

/// Makes the folder if need be, and locks it.
fn lock(
    folder: &Path,
    take: fn(File) -> Result<Lock, (LockError, File)>,
) -> Result<Lock, NoStateDir> {
    let unusable = |act: &str, path: &Path, error: std::io::Error| {
        let path = path.display();
        NoStateDir::Unusable(format!("{act} {path}: {}; {WAY_OUT}", cause(&error)))
    };
    let check = || {
        must_be_safe(folder).map_err(|error| {
            let folder = folder.display();
            NoStateDir::Unusable(format!("{folder} is not safe: {}; {WAY_OUT}", cause(&error)))
        })
    };
    // Before it is made, and once it is there.
    check()?;
    files::make_private_folder(folder).map_err(|e| unusable("making", folder, e))?;
    check()?;
    if let Some(why) = files::open_to_others(folder) {
        let folder = folder.display();
        return Err(NoStateDir::Unusable(format!("{folder} is not private: {why}; {WAY_OUT}")));
    }
    let path = folder.join("lock");
    let file = files::open_private(&path).map_err(|e| unusable("opening", &path, e))?;
    take(file).map_err(|(error, _)| match error {
        LockError::Io(e) => unusable("locking", &path, e),
        LockError::Held(Some(pid)) if is_gone(pid) => NoStateDir::Held(format!(
            "{} is still locked by a program that the last daemon, pid {pid}, was launching when it \
             ended; try again",
            folder.display()
        )),
        LockError::Held(pid) => {
            let who = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            NoStateDir::Held(format!(
                "already running: the daemon with pid {who} has {}; {WAY_OUT} to run another",
                folder.display()
            ))
        }
    })
}

/// Whether the daemon that left its pid in the lock lives no more. As PID 1 there is nobody to look
/// for: who holds the lock is in another namespace, and called otherwise here.
fn is_gone(pid: u32) -> bool {
    !super::container::is_init() && !children::lives(pid)
}

/// Takes the lock. One that was killed while it launched a process shares it with that until
/// exec: it is waited for.
fn take_soon(mut file: File) -> Result<Lock, (LockError, File)> {
    const PATIENCE: Duration = Duration::from_secs(10);
    const PAUSE: Duration = Duration::from_millis(5);
    let until = clock::now() + PATIENCE;
    loop {
        match take(file) {
            Err((LockError::Held(Some(pid)), again)) if is_gone(pid) && clock::now() < until => {
                // Nothing to wait for but time.
                let _ = poll::Poller::new().wait(Some(PAUSE));
                file = again;
            }
            taken => return taken,
        }
    }
}

/// Makes the folder for the user that the daemon is to become, or checks that it is that
/// user's. One that is there already is never given away: root's hand could be aimed at any folder
/// by who may write the configuration or a folder on the way.
///
/// # Errors
/// What could not be done, or whose the folder is, and the way out.
pub(super) fn prepare_for(folder: &Path, name: &str, ids: &Ids) -> Result<(), String> {
    let failed = |act: &str, error: std::io::Error| {
        format!("{act} {}: {}; {WAY_OUT}", folder.display(), cause(&error))
    };
    match files::owner_of_folder(folder) {
        Some(owner) if owner == ids.uid => Ok(()),
        Some(_) => Err(format!(
            "{} is not {name}'s, who is daemon.user: chown -R {name} {}",
            folder.display(),
            folder.display()
        )),
        // Below folders that only root can change it is made by root, else by the user.
        None if files::only_root_can_change(folder) => {
            files::make_private_folder(folder).map_err(|error| failed("making", error))?;
            files::give(folder, ids.uid, ids.gid).map_err(|error| failed("giving away", error))
        }
        None => Ok(()),
    }
}

/// Refuses a folder that is reached by a link of somebody else's, who could have another one taken
/// for it. It need not be there yet.
///
/// # Errors
/// That it is.
fn must_be_safe(folder: &Path) -> std::io::Result<()> {
    match Place::of(&folder.join("lock"), &mut own_links) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The secret that clients must prove; made on the first start.
///
/// # Errors
/// What could not be read or made, why, and the way out.
pub(super) fn secret(path: &Path) -> Result<Secret, String> {
    if path.symlink_metadata().is_err() {
        let text = random::nonce().map_err(|error| failed("making", path, &error))?;
        write_secret(path, format!("{}\n", hex(&text)).as_bytes())?;
    }
    read_secret(path)
}

fn write_secret(path: &Path, text: &[u8]) -> Result<(), String> {
    files::put_private(path, text).map_err(|error| failed("writing", path, &error))
}

fn failed(act: &str, secret: &Path, error: &std::io::Error) -> String {
    format!("{act} the secret {}: {}; see daemon.secret_file", secret.display(), cause(error))
}

/// The secret that there is.
///
/// # Errors
/// As [`secret`].
pub(super) fn read_secret(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    let failed = |error: std::io::Error| failed("reading", path, &error);
    let file = files::open_own(path).map_err(failed)?;
    if let Some(why) = files::exposed(&file, path) {
        return Err(format!("the secret {shown} is not private: {why}"));
    }
    let bytes = files::read_all(file, SECRET_LIMIT).map_err(failed)?;
    Secret::from_file(&bytes)
        .ok_or_else(|| format!("the secret {shown} is empty; remove it and a new one is made"))
}
