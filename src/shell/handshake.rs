//! The client's side of the hello: the order of its steps keeps the secret safe.
//!
//! Nothing is sent before the greeting shows a daemon of our protocol, the secret
//! is read only then, and nothing of the answer counts before the daemon has
//! proved in its turn that it knows the secret too.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::failure::{Failure, Kind};
use super::target::Target;
use super::text;
use super::wire::Wire;
use crate::protocol::PROTOCOL;
use crate::protocol::hello::{
    ClientHello, Greeting, Identity, Secret, Side, Welcome, hex, is_nonce,
};
use crate::sys::{cause, clock, files, random, users};

/// The most that a secret may hold, in bytes.
const SECRET_LIMIT: u64 = 4096;

/// The daemon gives a client as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who has answered.
pub(super) struct Peer {
    /// The daemon's version.
    pub(super) version: String,
    /// What it has told of itself, after proving the secret.
    pub(super) identity: Identity,
}

/// Goes through the hello with whoever listens at `name`.
pub(super) fn greet(wire: &mut Wire, name: &str, target: &Target) -> Result<Peer, Failure> {
    let deadline = clock::now() + PATIENCE;
    let greeting = match wire.line_by(deadline) {
        Ok(Some(line)) => read_greeting(&line, name)?,
        Ok(None) => return Err(stranger(name, "it said nothing for 10 s, so it may also hang")),
        Err(cause) => return Err(stranger(name, &cause)),
    };
    let secret = read_secret(&target.secret_file, name)?;
    let nonce = random::nonce().map(|nonce| hex(&nonce)).map_err(|error| {
        Failure::new(
            Kind::Failed,
            format!("cannot get random bytes from the kernel: {}", cause(&error)),
        )
    })?;
    let broken = |kind, cause: String| {
        Failure::new(kind, format!("the hello with the daemon at {name} broke off: {cause}"))
    };
    let lost = |cause: String| broken(Kind::Lost, cause);
    let hung_up = |cause: String| broken(Kind::HungUp, cause);
    let proof = secret.proof(Side::Client, &greeting.nonce, &nonce);
    let hello = ClientHello { protocol: PROTOCOL, nonce: nonce.clone(), proof };
    let mut line = serde_json::to_vec(&hello).map_err(|error| lost(error.to_string()))?;
    line.push(b'\n');
    wire.send(&line, deadline).map_err(hung_up)?;
    let answer = wire.line_by(deadline).map_err(hung_up)?;
    let answer = answer.ok_or_else(|| lost("no answer within 10 s".to_owned()))?;
    match serde_json::from_str(&answer) {
        Ok(Welcome::In(identity)) => {
            if !secret.verify(Side::Server, &greeting.nonce, &nonce, &identity.proof) {
                return Err(impostor(name, &target.secret_file));
            }
            Ok(Peer { version: greeting.taskmaster, identity })
        }
        Ok(Welcome::Refused { error }) => Err(refused(name, &error, &target.secret_file)),
        Err(error) => Err(lost(format!("its answer makes no sense: {error}"))),
    }
}

/// A greeting of our protocol. Of another one only the number is looked at: its other
/// keys may have changed.
fn read_greeting(line: &str, name: &str) -> Result<Greeting, Failure> {
    let odd = || stranger(name, &format!("it said {:?}", text::cut(line, 60)));
    let value: serde_json::Value = serde_json::from_str(line).map_err(|_| odd())?;
    if let Some(error) = value.get("error").and_then(|error| error.as_str()) {
        let why =
            format!("the daemon at {name} turns this shell away: {}", text::clean_line(error));
        return Err(Failure::new(Kind::Lost, why));
    }
    let version = value.get("taskmaster").and_then(|version| version.as_str()).ok_or_else(odd)?;
    let protocol = value.get("protocol").and_then(|number| number.as_u64()).ok_or_else(odd)?;
    if protocol != u64::from(PROTOCOL) {
        return Err(Failure::new(
            Kind::OtherVersion,
            format!(
                "the daemon at {name} (taskmaster {version}) speaks protocol {protocol}, \
                 this shell (taskmaster {}) {PROTOCOL}; use the shell that came with the daemon",
                env!("CARGO_PKG_VERSION")
            ),
        ));
    }
    let greeting: Greeting = serde_json::from_value(value).map_err(|_| odd())?;
    if is_nonce(&greeting.nonce) { Ok(greeting) } else { Err(odd()) }
}

fn read_secret(file: &Path, name: &str) -> Result<Secret, Failure> {
    let shown = file.display();
    let read = File::open(file).and_then(|opened| files::read_all(opened, SECRET_LIMIT));
    let message = match read {
        Ok(bytes) => match Secret::from_file(&bytes) {
            Some(secret) => return Ok(secret),
            None => format!(
                "cannot read the secret {shown}: it is empty\n\
                 restore it, or name the daemon's: taskmaster shell --secret-file FILE"
            ),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => format!(
            "a daemon answers at {name}, but its secret is not here: {shown}: {}\n\
             it may be another user's or project's: name its configuration, taskmaster shell \
             -c FILE, or its secret, taskmaster shell --secret-file FILE\n\
             a new daemon.secret_file counts from the daemon's next start: till then name the old one",
            cause(&error)
        ),
        Err(error) => {
            let cause = cause(&error);
            format!(
                "cannot read the secret {shown}: {cause}\n\
                 {}name the daemon's: taskmaster shell --secret-file FILE",
                become_owner(file)
            )
        }
    };
    Err(Failure::new(Kind::Refused, message))
}

/// Advice for who may not read a file: whom to become, with an "or" behind it.
pub(super) fn become_owner(file: &Path) -> String {
    match owner(file) {
        // Root may read everything: then it is something else.
        _ if users::is_root() => String::new(),
        Some((path, user)) if path == file => format!("it is {user}'s: become {user}, or "),
        Some((path, user)) => format!("{} is {user}'s: become {user}, or ", path.display()),
        None => String::new(),
    }
}

/// Whose the file is; where nobody tells, the nearest folder above of which one can.
fn owner(file: &Path) -> Option<(PathBuf, String)> {
    use std::os::unix::fs::MetadataExt as _;
    file.ancestors().filter(|path| path.parent().is_some()).find_map(|path| {
        let uid = path.metadata().ok()?.uid();
        let user = users::name_of(uid).unwrap_or_else(|| format!("user {uid}"));
        Some((path.to_owned(), user))
    })
}

fn stranger(name: &str, cause: &str) -> Failure {
    Failure::new(
        Kind::Stranger,
        format!(
            "what listens at {name} does not greet as a taskmaster daemon: {cause}\n\
             name the daemon's address in daemon.listen, or with taskmaster shell -s HOST:PORT"
        ),
    )
}

fn refused(name: &str, error: &str, secret: &Path) -> Failure {
    Failure::new(
        Kind::Refused,
        format!(
            "the daemon at {name} refuses this shell: {}\n\
             the secret came from {}\n\
             it may be another project's daemon: give this one a daemon.listen of its own, or name \
             the other's secret: taskmaster shell --secret-file FILE\n\
             a new daemon.secret_file counts from the daemon's next start: till then name the old one",
            text::clean_line(error),
            secret.display()
        ),
    )
}

fn impostor(name: &str, secret: &Path) -> Failure {
    Failure::new(
        Kind::Refused,
        format!(
            "what listens at {name} does not know the secret in {}: it is not your daemon\n\
             the secret was not told; find out who listens there, as with: ss -ltnp",
            secret.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_greeting_of_our_protocol_is_one() {
        let nonce = "0".repeat(64);
        let greeting = format!(r#"{{"taskmaster":"1","protocol":{PROTOCOL},"nonce":"{nonce}"}}"#);
        assert_eq!(read_greeting(&greeting, "x").unwrap().nonce, nonce);
        for (line, kind) in [
            ("SSH-2.0-OpenSSH_9.2", Kind::Stranger),
            ("{}", Kind::Stranger),
            (r#"{"taskmaster":"1","protocol":1,"nonce":"short"}"#, Kind::Stranger),
            (r#"{"taskmaster":"9","protocol":9,"salt":""}"#, Kind::OtherVersion),
        ] {
            assert_eq!(read_greeting(line, "x").unwrap_err().kind, kind, "{line}");
        }
    }

    #[test]
    fn a_missing_secret_names_the_file_and_the_option() {
        let folder = tempfile::tempdir().unwrap();
        let failure = read_secret(&folder.path().join("secret"), "x:1").unwrap_err();
        assert_eq!(failure.kind, Kind::Refused);
        assert!(
            failure.message.contains("/secret: No such file or directory"),
            "{}",
            failure.message
        );
        assert!(failure.message.contains("--secret-file"), "{}", failure.message);
    }
}
