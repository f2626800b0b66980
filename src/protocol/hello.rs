//! The proof that both sides know the secret, without either telling it.
//!
//! ```text
//! server  {"taskmaster":"0.1.0","protocol":1,"nonce":NS}
//! client  {"protocol":1,"nonce":NC,"proof":HMAC(secret, "client:" NS ":" NC)}
//! server  {"proof":HMAC(secret, "server:" NS ":" NC),"pid":P,"config":FILE}
//!    or   {"error":WHY}, and the end
//! ```
//!
//! HMAC is that of RFC 2104 with SHA-256, in lower-case hexadecimal; NS and NC
//! are 64 hexadecimal digits and go into it as they stand. The word in front
//! keeps one side's proof from being played back to it as the other's. The
//! client sends its proof only to who speaks its protocol, and obeys only who
//! proved the secret in turn.

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::PROTOCOL;

/// The server's first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Greeting {
    /// Its version.
    pub taskmaster: String,
    /// The protocol that it speaks.
    pub protocol: u32,
    /// 64 hexadecimal digits, never the same twice.
    pub nonce: String,
}

/// The client's first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ClientHello {
    /// The protocol that it speaks.
    pub protocol: u32,
    /// 64 hexadecimal digits, never the same twice.
    pub nonce: String,
    /// What only one who knows the secret can say.
    pub proof: String,
}

/// The server's second line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Welcome {
    /// The client is in.
    In(Identity),
    /// It is not.
    Refused {
        /// Why, and what to do.
        error: String,
    },
}

/// Who the server is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// What only one who knows the secret can say.
    pub proof: String,
    /// The daemon's process id.
    pub pid: u32,
    /// The configuration file that it runs on, absolute.
    pub config: String,
}

/// Whose proof it is.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    /// The one that connected.
    Client,
    /// The one that listens.
    Server,
}

/// The secret that daemon and clients share.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The secret in a file's bytes: white space at either end does not belong to it.
    /// `None` if nothing is left.
    pub fn from_file(bytes: &[u8]) -> Option<Self> {
        let secret = bytes.trim_ascii();
        (!secret.is_empty()).then(|| Self(secret.to_vec()))
    }

    /// Its bytes, for the next daemon.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What `side` says to prove that it knows the secret.
    pub fn proof(&self, side: Side, server_nonce: &str, client_nonce: &str) -> String {
        hex(&self.mac(side, server_nonce, client_nonce).finalize().into_bytes())
    }

    /// Whether `proof` is that of `side`, in time that does not depend on where it differs.
    pub fn verify(&self, side: Side, server: &str, client: &str, proof: &str) -> bool {
        unhex(proof).is_some_and(|p| self.mac(side, server, client).verify_slice(&p).is_ok())
    }

    fn mac(&self, side: Side, server_nonce: &str, client_nonce: &str) -> Hmac<Sha256> {
        // HMAC takes a key of any length: there is no error to meet.
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(_) => Hmac::<Sha256>::new(&Default::default()),
        };
        mac.update(match side {
            Side::Client => b"client:",
            Side::Server => b"server:",
        });
        mac.update(server_nonce.as_bytes());
        mac.update(b":");
        mac.update(client_nonce.as_bytes());
        mac
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Greeting {
    /// The greeting of this version.
    pub fn new(nonce: [u8; 32]) -> Self {
        Self {
            taskmaster: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            nonce: hex(&nonce),
        }
    }
}

/// Whether this is a nonce: 64 hexadecimal digits.
pub fn is_nonce(text: &str) -> bool {
    text.len() == 64 && unhex(text).is_some()
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that hexadecimal digits stand for; none if they are no such digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_side_and_nonces_only() {
        let secret = Secret::from_file(b" hush\n").unwrap();
        let proof = secret.proof(Side::Client, "a", "b");
        assert!(secret.verify(Side::Client, "a", "b", &proof));
        assert!(!secret.verify(Side::Server, "a", "b", &proof));
        assert!(!secret.verify(Side::Client, "b", "a", &proof));
        assert!(!secret.verify(Side::Client, "a", "b", ""));
        assert!(!secret.verify(Side::Client, "a", "b", "é"));
        let other = Secret::from_file(b"rush").unwrap();
        assert!(!other.verify(Side::Client, "a", "b", &proof));
    }

    #[test]
    fn the_proof_is_plain_hmac_sha256() {
        // printf %s client:a:b | openssl dgst -sha256 -hmac hush
        let secret = Secret::from_file(b"hush").unwrap();
        assert_eq!(
            secret.proof(Side::Client, "a", "b"),
            "7d10c8e92bdc21b80c84143dda38c86917f93de79f07917a85e8d7e3755b08bb"
        );
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert!(Secret::from_file(b" \n").is_none());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::from_file(b"hush")), "Some(Secret(..))");
    }
}
