//! A client of the protocol's, made of nothing but a socket: lines out, replies in, and the proof
//! of the secret.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};

use super::PATIENCE;

/// A client of the protocol's, made of nothing but a socket.
pub struct Wire {
    pub stream: TcpStream,
    lines: BufReader<TcpStream>,
    pub greeting: Value,
}

impl Wire {
    /// Connects and hears the greeting.
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut wire = Self { stream, lines, greeting: Value::Null };
        wire.greeting = wire.line().expect("a greeting");
        wire
    }

    /// Proves the secret, and checks the server's proof.
    pub fn hello(&mut self, secret: &str) -> Value {
        let theirs = self.greeting["nonce"].as_str().unwrap().to_owned();
        let ours = "00112233".repeat(8);
        let proof = hmac(secret, &format!("client:{theirs}:{ours}"));
        self.send(&json!({"protocol": 1, "nonce": ours, "proof": proof}).to_string());
        let welcome = self.line().expect("a welcome");
        assert_eq!(welcome["proof"], hmac(secret, &format!("server:{theirs}:{ours}")), "{welcome}");
        welcome
    }

    /// Sends a line.
    pub fn send(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line; none at the end of the connection.
    pub fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("reading: {error}"),
        }
    }

    /// The replies up to the end of the answer.
    pub fn answer(&mut self) -> Vec<Value> {
        let mut replies = Vec::new();
        loop {
            let reply = self.line().expect("the connection ended within an answer");
            let is_end = reply.get("end").is_some();
            replies.push(reply);
            if is_end {
                return replies;
            }
        }
    }

    /// Sends a request and hears its answer.
    pub fn ask(&mut self, line: &str) -> Vec<Value> {
        self.send(line);
        self.answer()
    }

    /// The next event that concerns this process.
    pub fn event_of(&mut self, name: &str) -> Value {
        loop {
            let reply = self.line().expect("the connection ended while following");
            if reply["event"]["name"] == name {
                return reply["event"].clone();
            }
        }
    }

    /// Reads events until one is of this kind and name.
    pub fn until_event(&mut self, event: &str, name: &str) -> Value {
        loop {
            let reply = self.line().expect("the connection ended while following");
            if reply["event"]["event"] == event && reply["event"]["name"] == name {
                return reply["event"].clone();
            }
        }
    }
}

/// HMAC-SHA256 in hexadecimal.
pub fn hmac(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
