//! The raw keyboard: bytes as they are typed → characters, with the two keys that
//! act at once, Ctrl-C and Ctrl-Z, taken out.
//!
//! All reading from the terminal happens here. So what is typed while a command
//! runs waits for the prompt, and Ctrl-C is never behind it.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::failure::{Failure, Kind};
use crate::sys::cause;
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

/// What a key means where there is no line to edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// One line up,
    Up,
    /// or down.
    Down,
    /// One screen up,
    PageUp,
    /// or down.
    PageDown,
    /// To the first line,
    Home,
    /// or the last.
    End,
    /// To leave.
    Quit,
    /// Nothing.
    Other,
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

    /// The next key, for what has no line to edit.
    pub(super) fn take_key(&self) -> Option<Key> {
        self.typed().take_key()
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

    /// The next key. The beginning of a sequence waits for its rest.
    fn take_key(&mut self) -> Option<Key> {
        let (key, length) = match self.chars.strip_prefix('\u{1b}') {
            Some(rest) => sequence(rest)?,
            None => {
                let char = self.chars.chars().next()?;
                (plain_key(char), char.len_utf8())
            }
        };
        self.chars.drain(..length);
        Some(key)
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

fn plain_key(char: char) -> Key {
    match char {
        'q' | 'Q' | '\u{4}' => Key::Quit,
        'k' => Key::Up,
        'j' | '\r' | '\n' => Key::Down,
        'b' => Key::PageUp,
        ' ' | 'f' => Key::PageDown,
        'g' => Key::Home,
        'G' => Key::End,
        _ => Key::Other,
    }
}

/// The key that an escape with `rest` behind it is, and its whole length in bytes; none: it has
/// only begun. As xterm sends them, and the Linux console.
fn sequence(rest: &str) -> Option<(Key, usize)> {
    let mut chars = rest.chars();
    if !matches!(chars.next()?, '[' | 'O') {
        return Some((Key::Other, 1));
    }
    let body = chars.as_str();
    let end = body.find(|char: char| matches!(char, '@'..='~'))?;
    let key = match body.get(..=end).unwrap_or_default() {
        "A" => Key::Up,
        "B" => Key::Down,
        "5~" => Key::PageUp,
        "6~" => Key::PageDown,
        "H" | "1~" | "7~" => Key::Home,
        "F" | "4~" | "8~" => Key::End,
        _ => Key::Other,
    };
    Some((key, 2 + end + 1))
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

    #[test]
    fn keys_are_told_from_each_other_in_any_split() {
        let text = "x\u{1b}[A\u{1b}OB\u{1b}[5~ \u{1b}[1;5C\u{1b}[6~\u{1b}[HG\u{1b}éq";
        let expected = [
            Key::Other,
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::PageDown,
            Key::Other,
            Key::PageDown,
            Key::Home,
            Key::End,
            Key::Other,
            Key::Other,
            Key::Quit,
        ];
        for cut in 0..=text.len() {
            let (mut typed, mut keys) = (Typed::default(), Vec::new());
            for part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                typed.push(part);
                keys.extend(std::iter::from_fn(|| typed.take_key()));
            }
            assert_eq!(keys, expected, "cut at {cut}");
        }
    }
}
