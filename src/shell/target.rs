//! Which daemon is meant: the configuration file, the address, the secret's file.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Options;
use super::connection::Connection;
use super::failure::{Failure, Kind, complain};
use super::handshake::become_owner;
use crate::config::{Daemon, Surroundings, candidates, daemon_only, vet_path};
use crate::sys::{cause, files, trust, users};

/// The most that a configuration file may hold, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The daemon that the options and the configuration file lead to.
pub(super) struct Target {
    /// The configuration file; none was found.
    file: Option<PathBuf>,
    daemon: Daemon,
    /// `-s`, which is then the only address.
    server: Option<String>,
    /// The file with the shared secret.
    pub(super) secret_file: PathBuf,
}

impl Target {
    /// Reads the configuration file as far as the shell needs it.
    pub(super) fn find(options: &Options) -> Result<Self, Failure> {
        let around = &options.surroundings;
        let file = match &options.config {
            Some(file) => Some(around.cwd.join(file)),
            None => candidates(around).into_iter().find(|file| file.exists()),
        };
        // Who names both needs nothing of a file that nobody named.
        let is_needed =
            options.config.is_some() || options.server.is_none() || options.secret_file.is_none();
        let read = match &file {
            None => None,
            Some(file) => match read_config(file, around) {
                Err(_) if !is_needed => None,
                read => Some(read?),
            },
        };
        let daemon =
            read.unwrap_or_else(|| daemon_only(&around.cwd.join("taskmaster.yaml"), "", around));
        let secret_file = match &options.secret_file {
            Some(file) => around.cwd.join(file),
            None => daemon.secret_file.clone(),
        };
        Ok(Self { file, daemon, server: options.server.clone(), secret_file })
    }

    /// Connects to it and proves the secret, both ways.
    pub(super) fn connect(&self) -> Result<Connection, Failure> {
        let (name, addresses) = self.addresses()?;
        Connection::open(&name, &addresses, self)
    }

    /// Where the history of the prompt is kept.
    pub(super) fn history_file(&self) -> PathBuf {
        self.daemon.state_dir.join("history")
    }

    /// What to do when nobody answers.
    pub(super) fn way_out(&self) -> String {
        match &self.file {
            _ if self.server.is_some() => "is that its daemon.listen?".to_owned(),
            Some(file) => {
                let file = file.to_string_lossy();
                format!("start one with: taskmaster daemon -c {} -d", shell_words::quote(&file))
            }
            None => "start one with: taskmaster daemon -c FILE -d".to_owned(),
        }
    }

    /// Says so if the daemon runs on another file than the one found here.
    pub(super) fn note_other_file(&self, connection: &Connection) {
        if let Some((here, there)) = self.other_file(connection) {
            complain(format_args!(
                "note: the daemon at {} runs on {there}, not on {here}",
                connection.name
            ));
        }
    }

    /// The same as a failure.
    pub(super) fn insist_on_same_file(&self, connection: &Connection) -> Result<(), Failure> {
        let Some((here, there)) = self.other_file(connection) else { return Ok(()) };
        Err(Failure::new(
            Kind::Failed,
            format!(
                "another daemon is up at {}: it runs on {there}, not on {here}\n\
                 give one of the two files its own daemon.listen and daemon.state_dir, or name the other with -c",
                connection.name
            ),
        ))
    }

    /// Our file and the daemon's, if they differ. An address given by hand leads to
    /// another machine as a rule, whose paths are none of ours.
    fn other_file(&self, connection: &Connection) -> Option<(String, String)> {
        let here = self.file.as_ref().filter(|_| self.server.is_none())?;
        let here = here.canonicalize().unwrap_or_else(|_| here.clone());
        let there = Path::new(&connection.identity.config);
        let real = there.canonicalize().unwrap_or_else(|_| there.to_owned());
        (here != real).then(|| (here.display().to_string(), there.display().to_string()))
    }

    /// The address for people, and what it resolves to. It is looked up anew each time:
    /// with port 0 a daemon that comes back has another one.
    fn addresses(&self) -> Result<(String, Vec<SocketAddr>), Failure> {
        if let Some(server) = &self.server {
            return Ok((server.clone(), resolve(server)?));
        }
        let file = self.daemon.state_dir.join("address");
        let owner = std::fs::metadata(&self.secret_file).ok().map(|about| about.uid());
        let mut address = match read_address(&file, owner) {
            Ok(address) => address.unwrap_or(self.daemon.listen),
            Err(error) if self.daemon.listen.port() == 0 => {
                return Err(Failure::new(
                    Kind::Refused,
                    format!(
                        "cannot read the daemon's address {}: {}\n\
                         {}name it: taskmaster shell -s HOST:PORT",
                        file.display(),
                        cause(&error),
                        become_owner(&file)
                    ),
                ));
            }
            Err(_) => self.daemon.listen,
        };
        if address.port() == 0 {
            return Err(Failure::new(
                Kind::Nobody,
                format!(
                    "no daemon runs: it would name its port in {}; {}",
                    file.display(),
                    self.way_out()
                ),
            ));
        }
        if address.ip().is_unspecified() {
            // One that listens everywhere is reached on the loopback.
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Ok((address.to_string(), vec![address]))
    }
}

/// The configuration, as far as the shell needs it. As root it is trusted as the daemon trusts it:
/// who could write it could have root prove a daemon's secret to whom they like, and pass that on.
fn read_config(file: &Path, around: &Surroundings) -> Result<Daemon, Failure> {
    let failed = |why: String| {
        let shown = file.display();
        Failure::new(Kind::Usage, format!("cannot read the configuration {shown}: {why}"))
    };
    vet_path(file, around).map_err(|why| Failure::new(Kind::Usage, why))?;
    let read = trust::open(file)
        .and_then(|(opened, provenance)| Ok((files::read_all(opened, LIMIT)?, provenance)));
    let (bytes, provenance) = read.map_err(|error| failed(cause(&error)))?;
    // Like any other mistake in it, a byte that is no UTF-8 is the daemon's to report.
    let daemon = daemon_only(file, &String::from_utf8_lossy(&bytes), around);
    let user: Vec<u32> = daemon.user.as_deref().and_then(users::uid_of).into_iter().collect();
    match provenance.distrust(&user).filter(|_| users::is_root()) {
        Some(why) => Err(failed(why)),
        None => Ok(daemon),
    }
}

/// What a daemon wrote into `<state_dir>/address`. Anything odd counts as nothing; so does what
/// somebody wrote who is neither root, this user nor `secret_owner`, who knows the secret anyway. The
/// error is that it is there and may not be read.
fn read_address(file: &Path, secret_owner: Option<u32>) -> io::Result<Option<SocketAddr>> {
    let opened = match files::open_regular(file) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        Err(_) => return Ok(None),
        Ok(opened) => opened,
    };
    let about = opened.metadata()?;
    let owners = [Some(0), Some(users::me()), secret_owner];
    if !owners.contains(&Some(about.uid())) || about.mode() & 0o022 != 0 {
        return Ok(None);
    }
    let text = files::read_text(opened, 256).unwrap_or_default();
    Ok(text.trim().parse().ok().filter(|address: &SocketAddr| address.port() != 0))
}

fn resolve(server: &str) -> Result<Vec<SocketAddr>, Failure> {
    let port = server.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) || server.starts_with(':') {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "-s {server}: not an address; write HOST:PORT, as 127.0.0.1:4242 or [::1]:4242"
            ),
        ));
    }
    let unknown = |cause: String| {
        Failure::new(Kind::Nobody, format!("cannot find the host of {server}: {cause}"))
    };
    // As the daemon reads it. On another of the machine's own addresses somebody else may listen,
    // who passes on what is said.
    let known = server.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    match known.as_deref().unwrap_or(server).to_socket_addrs() {
        Ok(addresses) if addresses.len() == 0 => Err(unknown("it has no address".to_owned())),
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            Err(Failure::new(Kind::Usage, format!("-s {server}: not an address; write HOST:PORT")))
        }
        Err(error) => Err(unknown(cause(&error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_file_holds_an_address_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("address");
        assert_eq!(read_address(&file, None).unwrap(), None);
        for (text, expected) in [
            ("127.0.0.1:4242\n", Some("127.0.0.1:4242")),
            ("[::1]:1", Some("[::1]:1")),
            ("localhost:1", None),
            ("127.0.0.1:0", None),
            ("", None),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(
                read_address(&file, None).unwrap(),
                expected.map(|text| text.parse().unwrap()),
                "{text}"
            );
        }
    }

    #[test]
    fn an_address_that_a_stranger_wrote_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("address");
        let read = |owner| read_address(&file, owner).unwrap();
        std::fs::write(&file, "127.0.0.1:4242\n").unwrap();
        assert!(read(None).is_some());
        if users::is_root() {
            std::os::unix::fs::chown(&file, Some(12), None).unwrap();
            assert_eq!(read(Some(13)), None);
            assert!(read(Some(12)).is_some());
        }
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&file, open).unwrap();
        assert_eq!(read(Some(12)), None);
    }

    #[test]
    fn localhost_is_what_the_daemon_takes_it_for() {
        let expected: SocketAddr = "127.0.0.1:4242".parse().unwrap();
        assert_eq!(resolve("localhost:4242").unwrap(), [expected]);
    }

    #[test]
    fn an_address_by_hand_needs_a_port() {
        for server in ["localhost", "localhost:", ":4242", "localhost:0", "::x"] {
            assert_eq!(resolve(server).unwrap_err().kind, Kind::Usage, "{server}");
        }
        let expected: SocketAddr = "[::1]:4242".parse().unwrap();
        assert_eq!(resolve("[::1]:4242").unwrap(), [expected]);
    }
}
