//! The state folder: the lock that makes one daemon of it, the secret, the address.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::config::Daemon;
use crate::protocol::hello::{Secret, hex};
use crate::sys::lock::{Lock, LockError, take};
use crate::sys::users::Ids;
use crate::sys::{cause, files, random};

/// The most that a secret may hold, in bytes.
const SECRET_LIMIT: u64 = 4096;

/// What to do about a folder that cannot be used.
const WAY_OUT: &str = "name another folder in daemon.state_dir";

/// The folder, and the lock that keeps others out of it.
#[derive(Debug)]
pub(super) struct StateDir {
    folder: PathBuf,
    _lock: Lock,
}

impl StateDir {
    /// Makes the folder if need be, and locks it.
    ///
    /// # Errors
    /// What could not be done, why, and the way out.
    pub(super) fn open(daemon: &Daemon) -> Result<Self, String> {
        let folder = &daemon.state_dir;
        files::make_private_folder(folder)
            .map_err(|e| format!("making {}: {}; {WAY_OUT}", folder.display(), cause(&e)))?;
        let path = folder.join("lock");
        let file = files::open_private(&path)
            .map_err(|e| format!("opening {}: {}; {WAY_OUT}", path.display(), cause(&e)))?;
        let lock = take(file).map_err(|error| match error {
            LockError::Io(e) => format!("locking {}: {}", path.display(), cause(&e)),
            LockError::Held(pid) => {
                let who = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                format!(
                    "already running: the daemon with pid {who} has {}; {WAY_OUT} to run another",
                    folder.display()
                )
            }
        })?;
        Ok(Self { folder: folder.clone(), _lock: lock })
    }

    /// Says where the control port listens.
    ///
    /// # Errors
    /// What could not be written, and why.
    pub(super) fn write_address(&self, address: SocketAddr) -> Result<(), String> {
        let path = self.folder.join("address");
        files::write_private(&path, format!("{address}\n").as_bytes())
            .map_err(|error| format!("writing {}: {}", path.display(), cause(&error)))
    }

    /// Nobody listens any more.
    pub(super) fn remove_address(&self) {
        let _ = std::fs::remove_file(self.folder.join("address"));
    }
}

/// Makes the folder if need be, and gives it with all that is in it to the user that the daemon
/// is to become. A folder that is that user's already is left alone: only in one that is root's
/// can nobody put a link to what shall not be given away.
///
/// # Errors
/// What could not be given, and why.
pub(super) fn hand_over(folder: &Path, ids: &Ids) -> Result<(), String> {
    let failed = |act: &str, path: &Path, error: std::io::Error| {
        format!("{act} {}: {}; {WAY_OUT}", path.display(), cause(&error))
    };
    files::make_private_folder(folder).map_err(|error| failed("making", folder, error))?;
    for path in files::owned_by_root(folder).into_iter().rev() {
        files::give(&path, ids.uid, ids.gid).map_err(|e| failed("giving away", &path, e))?;
    }
    Ok(())
}

/// The secret that clients must prove; made on the first start. It may belong to `user`, whom
/// the daemon is to become.
///
/// # Errors
/// What could not be read or made, why, and the way out.
pub(super) fn secret(path: &Path, user: Option<u32>) -> Result<Secret, String> {
    let shown = path.display();
    let failed = |act: &str, error: std::io::Error| {
        format!("{act} the secret {shown}: {}; see daemon.secret_file", cause(&error))
    };
    if path.symlink_metadata().is_err() {
        let text = random::nonce().map_err(|error| failed("making", error))?;
        files::write_private(path, format!("{}\n", hex(&text)).as_bytes())
            .map_err(|error| failed("writing", error))?;
    }
    let file = std::fs::File::open(path).map_err(|error| failed("reading", error))?;
    if let Some(why) = files::exposed(&file, path, user) {
        return Err(format!("the secret {shown} is not private: {why}"));
    }
    let mut bytes = Vec::new();
    file.take(SECRET_LIMIT).read_to_end(&mut bytes).map_err(|error| failed("reading", error))?;
    Secret::from_file(&bytes)
        .ok_or_else(|| format!("the secret {shown} is empty; remove it and a new one is made"))
}
