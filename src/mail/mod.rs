//! Mail: what happened, told to people who are not looking.
//!
//! Deciding is pure: [`Outbox`] gathers [`News`] into a [`Digest`] and says when a message is due,
//! [`compose`] writes it. Sending is [`run`], `taskmaster mail`: the same binary as a child
//! that gets an [`Errand`] on its standard input, so that a server that is slow, or a name that
//! does not resolve, holds up nobody. It tells each step on its standard output as it takes it: the
//! last one is where it ended, however it did.

mod digest;
mod errand;
mod lately;
mod layout;
mod letter;
mod message;
mod outbox;
mod send;
mod smtp;
mod tail;
mod tls;

pub use digest::News;
pub use errand::{Errand, Output, UNREACHED};
pub use message::{Place, compose, test_message};
pub use outbox::{Outbox, Untold};
pub use send::run;
