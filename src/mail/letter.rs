//! The message as it goes out: headers, and a text that any server takes.

use std::path::Path;

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};
use lettre::{Address, address::Envelope};

use super::errand::Errand;
use super::tail;
use crate::sys::{clock, random};

/// A message, and who it is from and for.
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: Vec<Address>,
    pub(super) envelope: Envelope,
    /// Headers and text, lines ended by CR LF.
    pub(super) bytes: Vec<u8>,
}

/// Nobody need be told that the reader is on holiday: RFC 3834.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Letter {
    /// Writes it, with the last lines of output as they are now.
    ///
    /// # Errors
    /// What is wrong with an address.
    pub(super) fn write(errand: &Errand) -> Result<Self, String> {
        let address = |text: &String| {
            text.parse::<Address>().map_err(|error| format!("the address {text}: {error}"))
        };
        let from = address(&errand.from)?;
        let to = errand.to.iter().map(address).collect::<Result<Vec<_>, _>>()?;
        let mut builder = Message::builder()
            .from(Mailbox::new(Some("taskmaster".to_owned()), from.clone()))
            .subject(&errand.subject)
            .date(clock::wall())
            .message_id(Some(message_id(&from)))
            .header(MIME_VERSION_1_0)
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN);
        for address in &to {
            builder = builder.to(Mailbox::new(None, address.clone()));
        }
        let text = format!("{}{}\n{}", errand.text, tail::shown(&errand.outputs), errand.signature);
        let message = builder.body(text).map_err(|error| error.to_string())?;
        let envelope = message.envelope().clone();
        Ok(Self { from, to, envelope, bytes: message.formatted() })
    }

    /// A name for its file that sorts by time.
    pub(super) fn file_name(&self) -> String {
        let time = clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let id = std::process::id();
        format!("{}.{:06}-{id}.eml", time.as_secs(), time.subsec_micros())
    }
}

/// One that no other message has.
fn message_id(from: &Address) -> String {
    let nonce = random::nonce().unwrap_or_default();
    let unique: String = nonce.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("<taskmaster.{unique}@{}>", from.domain())
}

/// Puts it into a folder, whole or not at all. No stranger's link is to aim what root writes, and a
/// program has printed, at another one.
///
/// # Errors
/// Those of the system calls; a link of somebody else's.
pub(super) fn put(letter: &Letter, folder: &Path) -> std::io::Result<std::path::PathBuf> {
    crate::sys::files::make_private_folder(folder)?;
    let path = folder.join(letter.file_name());
    crate::sys::files::put_private(&path, &letter.bytes)?;
    Ok(path)
}
