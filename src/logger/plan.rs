//! How much goes into a file before it is rotated. Pure: sizes and line ends in, a step out.
//!
//! A file holds at most `max` bytes wherever lines allow, and no line is torn in two:
//!
//! 1. What fits is moved, whether or not it ends a line.
//! 2. Else, what ends at the last line end that fits is moved.
//! 3. Else, if the file ends with a whole line, it is rotated.
//! 4. Else its last line is finished, beyond `max`. One that is still not finished at twice `max`
//!    is torn there.
//!
//! Nothing is remembered between steps: the file and the pipe are all there is to know, so that
//! another process can go on at any point.

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Move so many bytes.
    Move(u64),
    /// Begin a new file.
    Rotate,
}

/// Whether so much more may go into a file of this size. A `max` of 0 is none.
pub(super) fn fits(size: u64, max: u64, more: u64) -> bool {
    max == 0 || size.saturating_add(more) <= max
}

/// How far one has to look to know what to do with bytes that do not fit.
pub(super) fn horizon(size: u64, max: u64) -> u64 {
    // A file beyond twice `max` is of another's doing, or of a greater `max` before: only a
    // line end that is near counts.
    const NEAR: u64 = 64 * 1024;
    max.saturating_mul(2).checked_sub(size).unwrap_or(NEAR)
}

/// The line ends in bytes that wait and do not fit.
#[derive(Debug)]
pub(super) struct Sight {
    room: u64,
    seen: u64,
    /// How many bytes there are up to the first line end.
    first: Option<u64>,
    /// And up to the last that fits.
    last: Option<u64>,
}

impl Sight {
    /// Of nothing yet.
    pub(super) fn new(size: u64, max: u64) -> Self {
        Self { room: max.saturating_sub(size), seen: 0, first: None, last: None }
    }

    /// Takes in the next bytes.
    pub(super) fn see(&mut self, bytes: &[u8]) {
        let after = |place: usize| self.seen + count(place) + 1;
        let is_end = |byte: &u8| *byte == b'\n';
        let fitting = self.room.saturating_sub(self.seen);
        let fitting = bytes.get(..usize::try_from(fitting).unwrap_or(usize::MAX)).unwrap_or(bytes);
        let last = fitting.iter().rposition(is_end).map(after);
        let first = || bytes.iter().position(is_end).map(after);
        (self.first, self.last) = (self.first.or_else(first), last.or(self.last));
        self.seen += count(bytes.len());
    }

    /// What to do about a file of this size, which ends within a line or not.
    pub(super) fn step(&self, size: u64, max: u64, within: bool) -> Step {
        if let Some(last) = self.last {
            return Step::Move(last);
        }
        if size > 0 && !within {
            return Step::Rotate;
        }
        let horizon = horizon(size, max);
        match self.first {
            Some(first) if first <= horizon => Step::Move(first),
            _ if size >= max.saturating_mul(2) => Step::Rotate,
            _ => Step::Move(self.seen.min(horizon)),
        }
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step for a file of this size and at most 10 bytes.
    fn step(size: u64, within: bool, waiting: &str) -> Step {
        let mut sight = Sight::new(size, 10);
        for piece in waiting.as_bytes().chunks(3) {
            sight.see(piece);
        }
        sight.step(size, 10, within)
    }

    #[test]
    fn what_fits_is_moved() {
        assert!(fits(4, 10, 6) && !fits(4, 10, 7));
        assert!(fits(u64::MAX, 0, 1), "without a limit");
    }

    #[test]
    fn a_file_is_filled_up_to_a_line_end() {
        assert_eq!(step(0, false, "aaa\nbbb\nccc\n"), Step::Move(8));
        assert_eq!(step(4, true, "a\nbbbbbbbb\n"), Step::Move(2));
        assert_eq!(step(6, false, "bbb\nc"), Step::Move(4));
    }

    #[test]
    fn a_line_that_does_not_fit_goes_into_the_next_file() {
        assert_eq!(step(8, false, "bbb\n"), Step::Rotate);
        assert_eq!(step(10, false, "\n"), Step::Rotate);
        assert_eq!(step(8, false, "no end to be seen"), Step::Rotate);
    }

    #[test]
    fn a_line_that_was_begun_is_finished() {
        assert_eq!(step(8, true, "bbb\nccc\n"), Step::Move(4));
        assert_eq!(step(10, true, "b\n"), Step::Move(2));
        assert_eq!(step(19, true, "\n"), Step::Move(1));
        assert_eq!(step(0, false, "0123456789ab\n"), Step::Move(13));
    }

    #[test]
    fn a_line_is_torn_at_twice_the_limit() {
        assert_eq!(step(8, true, "0123456789abcdef"), Step::Move(12));
        assert_eq!(step(8, true, "0123456789abcdef\n"), Step::Move(12));
        assert_eq!(step(20, true, "b\n"), Step::Rotate);
    }

    #[test]
    fn a_file_that_was_too_large_already_ends_with_its_line_if_that_is_near() {
        assert_eq!(step(50, true, "b\nc\n"), Step::Move(2));
        assert_eq!(step(50, true, "bbbbb"), Step::Rotate);
    }

    #[test]
    fn every_step_leads_on() {
        for size in 0..25 {
            for within in [false, true] {
                for waiting in ["a", "\n", "ab\ncd", "0123456789abcdefghijklmnopqrstuvwxyz"] {
                    match step(size, within, waiting) {
                        Step::Move(len) => assert!(len > 0 && len <= count(waiting.len())),
                        Step::Rotate => assert!(size > 0, "an empty file would come again"),
                    }
                }
            }
        }
    }
}
