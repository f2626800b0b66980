//! A mail server on loopback, as good or bad as a test wants it.
// Some of it is for the tests of TLS alone.
#![cfg_attr(not(feature = "tls"), allow(dead_code))]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mail_parser::{Message, MessageParser};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How a server behaves.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// TLS from the first byte.
    pub implicit: bool,
    /// It offers STARTTLS.
    pub starttls: bool,
    /// It wants this user and password.
    pub login: Option<(&'static str, &'static str)>,
    /// It says what it was told by who did not get in.
    pub is_talkative: bool,
    /// The answer to the first so many MAIL commands.
    pub refuses: (usize, &'static str),
    /// It takes nothing for this address.
    pub refuses_to: Option<&'static str>,
    /// Its greeting is a byte a second, without end.
    pub drips: bool,
    /// It accepts, and says nothing.
    pub is_silent: bool,
}

/// What it was given.
#[derive(Debug, Clone, Default)]
pub struct Delivered {
    pub from: String,
    pub to: Vec<String>,
    pub bytes: Vec<u8>,
    pub encrypted: bool,
}

impl Delivered {
    /// As a mail program reads it.
    pub fn read(&self) -> Message<'_> {
        read(&self.bytes)
    }
}

/// A message as a mail program reads it.
pub fn read(bytes: &[u8]) -> Message<'_> {
    MessageParser::default().parse(bytes).expect("it is a message")
}

/// A server, until it is dropped.
pub struct PostOffice {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    manner: Manner,
    tls: Option<Arc<ServerConfig>>,
    delivered: Mutex<Vec<Delivered>>,
    /// All that clients said, but for messages.
    heard: Mutex<Vec<String>>,
    mails: AtomicUsize,
    is_closed: AtomicBool,
}

impl PostOffice {
    /// Opens one without TLS.
    pub fn open(manner: Manner) -> Self {
        Self::open_with(manner, None)
    }

    /// Opens one whose certificate was signed by an authority, whose own goes to a file.
    pub fn open_trusted(manner: Manner, authority: &Path) -> Self {
        let (config, certificate) = certified();
        std::fs::write(authority, certificate).unwrap();
        Self::open_with(manner, Some(config))
    }

    fn open_with(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            manner,
            tls,
            delivered: Mutex::default(),
            heard: Mutex::default(),
            mails: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
        });
        let office = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if office.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                let office = Arc::clone(&office);
                std::thread::spawn(move || office.serve(stream));
            }
        });
        Self { address, shared }
    }

    /// What it was given so far.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.shared.delivered.lock().unwrap().clone()
    }

    /// All that clients said so far, but for messages.
    pub fn heard(&self) -> String {
        self.shared.heard.lock().unwrap().join("\n")
    }
}

impl Drop for PostOffice {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // So that it looks.
        let _ = TcpStream::connect(self.address);
    }
}

/// A place where nobody listens: its port was free a moment ago.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// An authority, and a certificate of its for this machine.
fn certified() -> (Arc<ServerConfig>, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (Arc::new(config), authority.pem())
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        // A test that failed may have left its client standing.
        stream.set_read_timeout(Some(crate::bench::PATIENCE)).unwrap();
        if self.manner.is_silent {
            let _ = stream.read(&mut [0; 64]);
            return;
        }
        if self.manner.drips {
            return drip(&mut stream);
        }
        if self.manner.implicit {
            if let Some(mut secured) = self.secured(stream) {
                self.talk(&mut secured, true, true);
            }
            return;
        }
        if self.talk(&mut stream, false, true)
            && let Some(mut secured) = self.secured(stream)
        {
            self.talk(&mut secured, true, false);
        }
    }

    fn secured(&self, stream: TcpStream) -> Option<StreamOwned<ServerConnection, TcpStream>> {
        let connection = ServerConnection::new(self.tls.clone()?).ok()?;
        Some(StreamOwned::new(connection, stream))
    }

    /// A conversation. True: it goes on encrypted.
    fn talk(&self, stream: &mut (impl Read + Write), encrypted: bool, greets: bool) -> bool {
        let mut letter = Delivered { encrypted, ..Delivered::default() };
        if greets && !say(stream, "220 post.example.org ready") {
            return false;
        }
        while let Some(line) = line(stream) {
            self.heard.lock().unwrap().push(line.clone());
            let word = line.to_ascii_uppercase();
            let answer = if word.starts_with("EHLO") {
                self.extensions(encrypted)
            } else if word == "STARTTLS" {
                say(stream, "220 go ahead");
                return true;
            } else if word.starts_with("AUTH PLAIN") {
                self.judge(line.rsplit(' ').next().unwrap())
            } else if word.starts_with("MAIL FROM:") {
                letter.from = address(&line);
                self.take()
            } else if word.starts_with("RCPT TO:") {
                self.recipient(&mut letter, address(&line))
            } else if word == "DATA" {
                say(stream, "354 end with a dot");
                letter.bytes = data(stream);
                self.delivered.lock().unwrap().push(letter.clone());
                "250 2.0.0 taken as 4711".to_owned()
            } else if word == "QUIT" {
                say(stream, "221 bye");
                return false;
            } else {
                "502 what?".to_owned()
            };
            if !say(stream, &answer) {
                return false;
            }
        }
        false
    }

    fn extensions(&self, encrypted: bool) -> String {
        let mut lines = vec!["post.example.org"];
        if self.manner.starttls && !encrypted {
            lines.push("STARTTLS");
        }
        if self.manner.login.is_some() {
            lines.push("AUTH PLAIN");
        }
        let last = lines.len() - 1;
        let lines = lines
            .iter()
            .enumerate()
            .map(|(n, line)| format!("250{}{line}", if n == last { ' ' } else { '-' }));
        lines.collect::<Vec<_>>().join("\r\n")
    }

    fn judge(&self, proof: &str) -> String {
        let (user, password) = self.manner.login.unwrap();
        let right = base64(format!("\0{user}\0{password}").as_bytes());
        if proof == right {
            return "235 2.7.0 welcome".to_owned();
        }
        let said = if self.manner.is_talkative { proof } else { "nobody knows you here" };
        format!("535 5.7.8 {said}")
    }

    fn take(&self) -> String {
        let (times, answer) = self.manner.refuses;
        let before = self.mails.fetch_add(1, Ordering::SeqCst);
        if before < times { answer.to_owned() } else { "250 2.1.0 fine".to_owned() }
    }

    fn recipient(&self, letter: &mut Delivered, to: String) -> String {
        if self.manner.refuses_to == Some(to.as_str()) {
            return "550 5.1.1 nobody of that name".to_owned();
        }
        letter.to.push(to);
        "250 2.1.5 fine".to_owned()
    }
}

fn say(stream: &mut impl Write, line: &str) -> bool {
    stream.write_all(format!("{line}\r\n").as_bytes()).and_then(|()| stream.flush()).is_ok()
}

/// The next line. Byte by byte: what follows may be another's to read.
fn line(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while bytes.last() != Some(&b'\n') {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        bytes.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// A message up to its dot, the dots that were doubled single again.
fn data(stream: &mut impl Read) -> Vec<u8> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n.\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return bytes;
        }
        bytes.push(byte[0]);
    }
    bytes.truncate(bytes.len() - 3);
    String::from_utf8(bytes).unwrap().replace("\r\n..", "\r\n.").into_bytes()
}

fn address(line: &str) -> String {
    line.split(['<', '>']).nth(1).unwrap_or_default().to_owned()
}

/// Ends when the client does.
#[allow(clippy::disallowed_methods)] // it is what this server is slow at
fn drip(stream: &mut TcpStream) {
    for letter in b"220-".iter().chain(std::iter::repeat(&b'x')) {
        if stream.write_all(&[*letter]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            text.push(if place > chunk.len() { '=' } else { letter });
        }
    }
    text
}
