//! The pure rooms of taskmaster, and what is done to them.
#![allow(dead_code, unused_imports)] // of the rooms only what reads is used here

#[path = "../../../src/config/mod.rs"]
pub mod config;
pub mod daemon;
#[path = "../../../src/daemon/probes/http.rs"]
mod http;
pub mod inputs;
mod mail;
#[path = "../../../src/logger/message.rs"]
mod message;
#[path = "../../../src/daemon/probes/notice.rs"]
mod notice;
#[path = "../../../src/protocol/mod.rs"]
pub mod protocol;
#[path = "../../../src/supervisor/mod.rs"]
pub mod supervisor;
mod sys;

/// What daemon and logger tell each other.
pub mod logger {
    pub use crate::message::{Order, Report, Stream};
}

/// What a program says of itself.
pub fn notice(bytes: &[u8]) {
    let said = notice::parse(bytes);
    assert!(said.status.is_none_or(|text| !text.contains(char::is_control)));
}

/// What answers a health check, in pieces.
pub fn http(bytes: &[u8]) {
    let (whole, mut pieces) = (http::Response::default().take(bytes), http::Response::default());
    let in_pieces = bytes.chunks(7).map(|piece| pieces.take(piece));
    let last = in_pieces.fold(http::Status::Unknown, |known, now| match known {
        http::Status::Unknown => now,
        known => known,
    });
    if let http::Status::Code(_) = whole {
        assert_eq!(whole, last);
    }
}
