//! The terminal as the line editor sees it: keys from [`Keyboard`], and the few
//! VT100 sequences that every terminal of today knows, whatever TERM says.
//!
//! The terminal is raw before the editor begins and stays so, hence nothing to
//! prepare or to restore here; nor to lock, as there is one thread.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use linefeed::terminal::{
    CursorMode, RawRead, SignalSet, Size, Terminal, TerminalReader, TerminalWriter,
};

use super::keyboard::Keyboard;
use crate::sys::term;

/// What the line editor reads from and writes to.
pub(super) struct Console {
    keyboard: Arc<Keyboard>,
    /// The size that the editor knows.
    columns: AtomicUsize,
    lines: AtomicUsize,
}

impl Console {
    /// The terminal that this keyboard belongs to.
    pub(super) fn new(keyboard: Arc<Keyboard>) -> Self {
        let (columns, lines) = term::size();
        Self { keyboard, columns: columns.into(), lines: lines.into() }
    }

    fn is_resized(&self) -> bool {
        term::size() != (self.columns.load(Relaxed), self.lines.load(Relaxed))
    }
}

impl Terminal for Console {
    type PrepareState = ();

    fn name(&self) -> &str {
        "vt100"
    }

    fn lock_read<'a>(&'a self) -> Box<dyn TerminalReader<Self> + 'a> {
        Box::new(Keys(self))
    }

    fn lock_write<'a>(&'a self) -> Box<dyn TerminalWriter<Self> + 'a> {
        Box::new(Screen::default())
    }
}

/// The reading half.
struct Keys<'a>(&'a Console);

// The trait declares two of its methods unsafe to call; there is nothing unsafe in ours.
#[allow(unsafe_code)]
impl TerminalReader<Console> for Keys<'_> {
    fn prepare(&mut self, _: bool, _: SignalSet) -> io::Result<()> {
        Ok(())
    }

    unsafe fn prepare_with_lock(
        &mut self,
        _: &mut dyn TerminalWriter<Console>,
        _: bool,
        _: SignalSet,
    ) -> io::Result<()> {
        Ok(())
    }

    fn restore(&mut self, (): ()) -> io::Result<()> {
        Ok(())
    }

    unsafe fn restore_with_lock(
        &mut self,
        _: &mut dyn TerminalWriter<Console>,
        (): (),
    ) -> io::Result<()> {
        Ok(())
    }

    /// At most one line: what is behind it stays with the keyboard, where Ctrl-C can
    /// still drop it.
    fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<RawRead> {
        if self.0.is_resized() {
            let (columns, lines) = term::size();
            self.0.columns.store(columns, Relaxed);
            self.0.lines.store(lines, Relaxed);
            return Ok(RawRead::Resize(Size { lines, columns }));
        }
        let line = self.0.keyboard.take_line();
        buffer.extend_from_slice(line.as_bytes());
        Ok(RawRead::Bytes(line.len()))
    }

    /// Never waits: that is the prompt's business, which has a socket to watch too.
    fn wait_for_input(&mut self, _: Option<Duration>) -> io::Result<bool> {
        Ok(self.0.keyboard.has_typed() || self.0.is_resized())
    }
}

/// The writing half. What belongs together leaves in one piece, when this is dropped.
#[derive(Default)]
struct Screen {
    pending: String,
}

impl Screen {
    fn put(&mut self, text: &str) -> io::Result<()> {
        self.pending.push_str(text);
        Ok(())
    }

    /// Writes a sequence with a count, unless that is 0, which terminals take for 1.
    fn put_count(&mut self, count: usize, command: char) -> io::Result<()> {
        if count > 0 {
            let _ = write!(self.pending, "\x1b[{count}{command}");
        }
        Ok(())
    }
}

impl TerminalWriter<Console> for Screen {
    fn size(&self) -> io::Result<Size> {
        let (columns, lines) = term::size();
        Ok(Size { lines, columns })
    }

    fn clear_screen(&mut self) -> io::Result<()> {
        self.put("\x1b[H\x1b[2J")
    }

    fn clear_to_screen_end(&mut self) -> io::Result<()> {
        self.put("\x1b[J")
    }

    fn move_up(&mut self, count: usize) -> io::Result<()> {
        self.put_count(count, 'A')
    }

    fn move_down(&mut self, count: usize) -> io::Result<()> {
        self.put_count(count, 'B')
    }

    fn move_left(&mut self, count: usize) -> io::Result<()> {
        self.put_count(count, 'D')
    }

    fn move_right(&mut self, count: usize) -> io::Result<()> {
        self.put_count(count, 'C')
    }

    fn move_to_first_column(&mut self) -> io::Result<()> {
        self.put("\r")
    }

    fn set_cursor_mode(&mut self, _: CursorMode) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.put(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let mut out = io::stdout().lock();
        out.write_all(pending.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Should the terminal be gone, reading from it says so.
        let _ = self.flush();
    }
}
