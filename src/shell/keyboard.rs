//! The raw keyboard: bytes as they are typed → characters, with the two keys that
//! act at once, Ctrl-C and Ctrl-Z, taken out.
//!
//! All reading from the terminal happens here. So what is typed while a command
//! runs waits for the prompt, and Ctrl-C is never behind it.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::failure::{Failure, Kind, cause};
use crate::sys::term::RawMode;

const CTRL_C: char = '\u{3}';
const CTRL_Z: char = '\u{1a}';

/// The terminal on standard input, raw while this lives.
pub(super) struct Keyboard {
    /// Standard input without std's buffer, which poll(2) could not see into.
    input: File,
    raw: RawMode,
    typed: Mutex<Typed>,
}

/// Which of the keys that act at once were pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pressed {
    /// Ctrl-C: what was typed before it is gone.
    pub(super) interrupt: bool,
    /// Ctrl-Z.
    pub(super) suspend: bool,
}

impl Keyboard {
    /// Takes the terminal over.
    pub(super) fn open() -> Result<Self, Failure> {
        let input = io::stdin().as_fd().try_clone_to_owned().map_err(|error| gone(&error))?;
        let raw = RawMode::enter().map_err(|error| gone(&error))?;
        Ok(Self { input: File::from(input), raw, typed: Mutex::default() })
    }

    /// What to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// Takes in what has been typed. To be called when there is something.
    pub(super) fn read(&self) -> Result<Pressed, Failure> {
        let mut bytes = [0; 4096];
        match (&self.input).read(&mut bytes) {
            Ok(0) => Err(Failure::new(Kind::Unheard, "")),
            Ok(count) => Ok(self.typed().push(bytes.get(..count).unwrap_or_default())),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Pressed::default()),
            Err(error) => Err(gone(&error)),
        }
    }

    /// Whether characters wait for the prompt.
    pub(super) fn has_typed(&self) -> bool {
        !self.typed().chars.is_empty()
    }

    /// The characters that wait, up to the end of the first line.
    pub(super) fn take_line(&self) -> String {
        let chars = &mut self.typed().chars;
        let end = chars.find(['\n', '\r']).map_or(chars.len(), |at| at + 1);
        chars.drain(..end).collect()
    }

    /// Stops the job; returns when it is continued.
    pub(super) fn suspend(&self) -> Result<(), Failure> {
        self.raw.suspend().map_err(|error| gone(&error))
    }

    /// Sees to it that the terminal is raw: a signal came, which may have been the one
    /// that continues a job.
    pub(super) fn enforce(&self) -> Result<(), Failure> {
        self.raw.enforce().map_err(|error| gone(&error))
    }

    fn typed(&self) -> MutexGuard<'_, Typed> {
        self.typed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone(error: &io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot use the terminal: {}", cause(error)))
}

/// Bytes in any split → characters. What is not UTF-8 becomes U+FFFD.
#[derive(Default)]
struct Typed {
    chars: String,
    /// The beginning of a character.
    partial: Vec<u8>,
}

impl Typed {
    fn push(&mut self, bytes: &[u8]) -> Pressed {
        self.partial.extend_from_slice(bytes);
        let mut pressed = Pressed::default();
        for char in self.decode().chars() {
            match char {
                CTRL_C => {
                    self.chars.clear();
                    pressed.interrupt = true;
                }
                CTRL_Z => pressed.suspend = true,
                _ => self.chars.push(char),
            }
        }
        pressed
    }

    /// Takes all whole characters, and leaves what may yet become one.
    fn decode(&mut self) -> String {
        let mut text = String::new();
        let mut left = 0;
        for chunk in self.partial.utf8_chunks() {
            text.push_str(chunk.valid());
            left = chunk.invalid().len();
            if left > 0 {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let tail = self.partial.split_off(self.partial.len() - left);
        self.partial.clear();
        if std::str::from_utf8(&tail).is_err_and(|error| error.error_len().is_none()) {
            text.pop();
            self.partial = tail;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_characters() {
        let text = "é日\u{1f600}\r".as_bytes();
        for cut in 0..=text.len() {
            let mut typed = Typed::default();
            typed.push(&text[..cut]);
            typed.push(&text[cut..]);
            assert_eq!(typed.chars, "é日\u{1f600}\r", "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        let mut typed = Typed::default();
        typed.push(b"a\xffb\xc3");
        assert_eq!(typed.chars, "a\u{fffd}b");
        typed.push(b"c");
        assert_eq!(typed.chars, "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn ctrl_c_drops_what_was_typed_before_it() {
        let mut typed = Typed::default();
        assert_eq!(typed.push(b"stop all\r\x03sta"), Pressed { interrupt: true, suspend: false });
        assert_eq!(typed.push(b"tus\x1a"), Pressed { interrupt: false, suspend: true });
        assert_eq!(typed.chars, "status");
    }
}
