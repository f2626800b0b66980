//! The line that a child leaves behind before it is the program or its user: who it is, at the
//! end of a file that the next daemon reads.
//!
//! Its beginning was prepared by the parent. The child, which may share the parent's memory, adds
//! its number and this moment, by which it is known (see [`super::identity`]), and appends the whole
//! with one write(2): system calls and arithmetic, nothing else.
#![allow(unsafe_code)] // the child's system calls

use std::os::fd::RawFd;

use super::decimal::Decimal;
use super::identity;

/// What a child is to leave behind.
#[derive(Debug)]
pub struct Record {
    /// The file, opened with O_APPEND.
    pub file: RawFd,
    /// A JSON text that is still to be ended with `PID,"seen":TICKS}}`.
    pub head: Vec<u8>,
}

/// A sum over bytes (FNV-1a, 64 bits) that differs whenever one byte does: each step turns two
/// sums that are different into two that are.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Adds a text with its sum to these lines, as one more. It begins with a line end as well: should
/// what stands before it be torn, this one is not.
pub fn seal(lines: &mut Vec<u8>, add_text: impl FnOnce(&mut Vec<u8>)) {
    lines.push(b'\n');
    let start = lines.len();
    add_text(lines);
    let sum = checksum(lines.get(start..).unwrap_or(&[]));
    lines.extend_from_slice(format!(" {sum:016x}\n").as_bytes());
}

/// A text with its sum, as such a line alone.
pub fn sealed(text: &str) -> String {
    let mut line = Vec::new();
    seal(&mut line, |line| line.extend_from_slice(text.as_bytes()));
    String::from_utf8(line).unwrap_or_default()
}

/// The text of a line that is whole and as it was written.
pub fn unsealed(line: &str) -> Option<&str> {
    let (text, sum) = line.rsplit_once(' ')?;
    (format!("{:016x}", checksum(text.as_bytes())) == sum).then_some(text)
}

/// The longest line, in bytes.
const LONGEST: usize = 4096;

/// Bytes on the stack.
struct Line {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Line {
    fn push(&mut self, more: &[u8]) {
        for byte in more {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = *byte;
                self.len += 1;
            }
        }
    }

    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Leaves it. What fails is for the parent to notice, who writes to the same file.
pub(super) fn leave(record: &Record) {
    let Some(moment) = identity::moment() else { return };
    // SAFETY: getpid(2) cannot fail.
    let pid = u64::try_from(unsafe { libc::getpid() }).unwrap_or(0);
    let mut line = Line { bytes: [0; LONGEST], len: 0 };
    line.push(b"\n");
    line.push(&record.head);
    line.push(Decimal::of(pid).digits());
    line.push(b",\"seen\":");
    line.push(Decimal::of(moment).digits());
    line.push(b"}}");
    let sum = checksum(line.filled().get(1..).unwrap_or(&[]));
    line.push(b" ");
    for shift in (0..16).rev() {
        let digit = (sum >> (shift * 4) & 0xf) as u8;
        line.push(&[if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }]);
    }
    line.push(b"\n");
    let whole = line.filled();
    // SAFETY: a buffer with its own length.
    unsafe { libc::write(record.file, whole.as_ptr().cast(), whole.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_line_says_who_wrote_it_and_is_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let file = fs::File::options().append(true).create(true).open(&path).unwrap();
        leave(&Record { file: file.as_raw_fd(), head: b"{\"up\":{\"pid\":".to_vec() });
        let text = fs::read_to_string(path).unwrap();
        let json = unsealed(text.trim()).unwrap();
        let pid = std::process::id();
        let (head, seen) = json.strip_suffix("}}").unwrap().rsplit_once(':').unwrap();
        assert_eq!(head, format!("{{\"up\":{{\"pid\":{pid},\"seen\""));
        assert!(identity::exists(pid.try_into().unwrap(), seen.parse().unwrap()));
        assert_eq!(text, sealed(json));
    }

    #[test]
    fn no_change_of_a_byte_and_no_cut_goes_unnoticed() {
        let line = sealed("{\"up\":{\"pid\":12,\"start\":345}}");
        let line = line.trim();
        assert!(unsealed(line).is_some());
        for at in 0..line.len() {
            assert_eq!(unsealed(&line[..at]), None);
            for other in (0..128).filter(|byte| *byte != line.as_bytes()[at]) {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] = other;
                assert_eq!(unsealed(&String::from_utf8(bytes).unwrap()), None, "{at} {other}");
            }
        }
    }
}
