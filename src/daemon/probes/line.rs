//! Readiness told by a line on a descriptor of the program's, as s6 has it.
//!
//! The first newline counts. Whatever follows is thrown away, so that it costs the program no
//! signal; of one that does not stop no more is read, and it waits.

use std::fs::File;
use std::io::Read as _;

/// What is read at once, in bytes.
const PIECE: usize = 4096;

/// How much is thrown away, in bytes.
const ENOUGH: usize = 64 * 1024;

/// The reading end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) pipe: File,
    read: usize,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// No newline.
    Nothing,
    /// One.
    Ready,
    /// Nothing more will be read; whether there was one in the last piece.
    Over,
}

impl Line {
    /// Nothing has been read yet.
    pub(super) fn new(pipe: File) -> Self {
        Self { pipe, read: 0 }
    }

    /// Reads what there is.
    pub(super) fn read(&mut self) -> News {
        let mut piece = [0; PIECE];
        match self.pipe.read(&mut piece) {
            Ok(0) => News::Over,
            Ok(length) => {
                self.read += length;
                let piece = piece.get(..length).unwrap_or_default();
                match piece.contains(&b'\n') {
                    _ if self.read > ENOUGH => News::Over,
                    true => News::Ready,
                    false => News::Nothing,
                }
            }
            Err(_) => News::Nothing,
        }
    }
}
