//! A client of the protocol's, as taskmaster-protocol(7) tells how to write one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::doing::{Doing, Result};
use crate::supervisors::Requests;

/// A connection that has proved the secret, and what it asks.
pub(crate) struct Wire {
    stream: TcpStream,
    request: String,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects to the daemon with this state folder.
    pub(crate) fn connect(state_dir: &Path, request: String) -> Result<Self> {
        let read = |name: &str| {
            let path = state_dir.join(name);
            let text = fs::read_to_string(&path).doing(format!("reading {}", path.display()));
            text.map(|text| text.trim().to_owned())
        };
        let (address, secret) = (read("address")?, read("secret")?);
        let stream = TcpStream::connect(&address).doing(format!("connecting to {address}"))?;
        stream.set_nodelay(true).doing("setting TCP_NODELAY")?;
        let mut wire = Self { stream, request: request + "\n", buffer: vec![0; 1 << 16] };
        let theirs = wire.line()?;
        let theirs =
            theirs.get("nonce").and_then(Value::as_str).doing("a greeting without nonce")?;
        let ours = "00112233".repeat(8);
        let proof = proof(&secret, &format!("client:{theirs}:{ours}"))?;
        let hello = json!({"protocol": 1, "nonce": ours, "proof": proof});
        wire.stream.write_all(format!("{hello}\n").as_bytes()).doing("saying hello")?;
        match wire.line()?.get("error") {
            Some(error) => Err(format!("refused: {error}")),
            None => Ok(wire),
        }
    }

    /// Bytes up to the end of a line, the last of `what`.
    fn read_until(&mut self, is_end: impl Fn(&[u8]) -> bool) -> Result<&[u8]> {
        let mut length = 0;
        loop {
            if length == self.buffer.len() {
                self.buffer.resize(length * 2, 0);
            }
            let room = self.buffer.get_mut(length..).unwrap_or_default();
            match self.stream.read(room).doing("reading an answer")? {
                0 => return Err("the daemon has hung up".to_owned()),
                count => length += count,
            }
            let bytes = self.buffer.get(..length).unwrap_or_default();
            if is_end(bytes) {
                break;
            }
        }
        Ok(self.buffer.get(..length).unwrap_or_default())
    }

    fn line(&mut self) -> Result<Value> {
        let bytes = self.read_until(|bytes| bytes.ends_with(b"\n"))?;
        serde_json::from_slice(bytes).doing("a line that is no JSON")
    }
}

impl Requests for Wire {
    fn ask(&mut self) -> Result<usize> {
        self.stream.write_all(self.request.as_bytes()).doing("asking")?;
        let is_end = |bytes: &[u8]| {
            let line =
                bytes.strip_suffix(b"\n").and_then(|text| text.rsplit(|b| *b == b'\n').next());
            line.is_some_and(|line| line.starts_with(b"{\"end\""))
        };
        self.read_until(is_end).map(<[u8]>::len)
    }

    fn request_length(&self) -> usize {
        self.request.len()
    }
}

fn proof(secret: &str, text: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).doing("a key for HMAC")?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}
