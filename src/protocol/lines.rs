//! Bytes in any split → whole lines.

/// A buffer that bytes go into and lines come out of.
#[derive(Debug)]
pub struct Lines {
    bytes: Vec<u8>,
    /// How many of `bytes` have been taken as lines.
    taken: usize,
    /// How many of them are taken, or known to hold no newline.
    searched: usize,
    limit: usize,
}

/// Why there is no line.
#[derive(Debug, PartialEq, Eq)]
pub enum LineError {
    /// It is longer than the limit. The stream is of no more use.
    TooLong,
    /// It is not UTF-8. The line has been dropped.
    NotUtf8,
}

impl Lines {
    /// A buffer for lines of at most `limit` bytes, newline not counted.
    pub fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), taken: 0, searched: 0, limit }
    }

    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        // What was taken goes when more comes, and not line by line.
        self.bytes.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes that wait.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Whether [`Lines::next_line`] has something to tell.
    pub fn has_line(&self) -> bool {
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        self.len() > self.limit || rest.contains(&b'\n')
    }

    /// Whether the next line is there, and empty.
    pub fn starts_with_newline(&self) -> bool {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        rest.starts_with(b"\n") || rest.starts_with(b"\r\n")
    }

    /// Takes the next whole line, without its newline or CR LF.
    pub fn next_line(&mut self) -> Option<Result<String, LineError>> {
        let rest = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(at) = rest.iter().position(|&byte| byte == b'\n').map(|at| at + self.searched)
        else {
            self.searched = self.bytes.len();
            return (self.len() > self.limit).then_some(Err(LineError::TooLong));
        };
        if at - self.taken > self.limit {
            return Some(Err(LineError::TooLong));
        }
        let line = self.bytes.get(self.taken..at).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = String::from_utf8(line.to_vec()).map_err(|_| LineError::NotUtf8);
        self.taken = at + 1;
        self.searched = self.taken;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_lines() {
        let text = "status\r\nstop w\u{e9}b\n\nlast\n".as_bytes();
        for cut in 0..=text.len() {
            let (mut lines, mut seen) = (Lines::new(20), Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                lines.push(part);
                while let Some(line) = lines.next_line() {
                    seen.push(line.unwrap());
                }
            }
            assert_eq!(seen, ["status", "stop w\u{e9}b", "", "last"], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_refused_with_and_without_its_newline() {
        let mut lines = Lines::new(4);
        lines.push(b"1234");
        assert_eq!(lines.next_line(), None);
        lines.push(b"5");
        assert_eq!(lines.next_line(), Some(Err(LineError::TooLong)));
        let mut lines = Lines::new(4);
        lines.push(b"1234\n12345\n");
        assert_eq!(lines.next_line(), Some(Ok("1234".to_owned())));
        assert_eq!(lines.next_line(), Some(Err(LineError::TooLong)));
    }

    #[test]
    fn half_a_character_spoils_only_its_own_line() {
        let mut lines = Lines::new(20);
        lines.push(b"\xc3\nstatus\n");
        assert_eq!(lines.next_line(), Some(Err(LineError::NotUtf8)));
        assert_eq!(lines.next_line(), Some(Ok("status".to_owned())));
    }
}
