//! Of the room of mail: what waits to be told.

#[path = "../../../src/mail/digest.rs"]
mod digest;
#[path = "../../../src/mail/lately.rs"]
mod lately;
#[path = "../../../src/mail/outbox.rs"]
mod outbox;

pub use outbox::{Outbox, Untold};
