//! `status -w` on a terminal: one screen that is drawn again as rows come.
//!
//! The daemon sends what changes; nobody asks it again and again. A clock of its own moves
//! only the uptimes on, and only while it shows some. What was seen last stays on the
//! terminal when the screen is left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::failure::{Failure, Kind, complain};
use super::keyboard::{Key, Keyboard};
use super::paint::{Colour, Paint};
use super::printer::Printer;
use super::table;
use super::text::{cut, width};
use crate::protocol::{GoneRow, Reply, Row};
use crate::sys::clock;
use crate::sys::term::{self, FullScreen};

/// Watches until somebody leaves, or the daemon has no more to tell.
pub(super) fn run(
    connection: &mut Connection,
    words: &[String],
    printer: Printer,
    keyboard: &Keyboard,
) -> Result<u8, Failure> {
    connection.request(words)?;
    let mut watch = Watch { printer, view: View::default(), screen: None, cancelled: false };
    let ended = watch.until_end(connection, keyboard);
    watch.leave()?;
    ended
}

struct Watch {
    printer: Printer,
    view: View,
    /// Shown once all rows have come: a request that is refused needs none.
    screen: Option<FullScreen>,
    /// The daemon has been told that this is enough.
    cancelled: bool,
}

impl Watch {
    fn until_end(
        &mut self,
        connection: &mut Connection,
        keyboard: &Keyboard,
    ) -> Result<u8, Failure> {
        loop {
            let mut news = false;
            while let Some(reply) = connection.next()? {
                match reply {
                    Reply::Status(row) => self.view.put(row, clock::now()),
                    Reply::Gone(row) => self.view.remove(&row),
                    Reply::Current(_) => news = true,
                    Reply::End(end) => {
                        drop(self.screen.take());
                        end.error.iter().for_each(complain);
                        return Ok(end.exit);
                    }
                    _ => {}
                }
            }
            if news && !self.cancelled {
                self.screen.get_or_insert_with(FullScreen::enter);
            }
            // Before it waits it shows how things stand, whatever woke it: rows, keys, the
            // clock or another size of the window.
            self.draw()?;
            let tick = self.screen.as_ref().and_then(|_| self.view.tick(clock::now()));
            let woken = connection.wait(Some(keyboard.fd()), tick)?;
            if woken.other {
                self.keys(connection, keyboard)?;
            } else if !woken.wire {
                keyboard.enforce()?;
            }
        }
    }

    fn keys(&mut self, connection: &mut Connection, keyboard: &Keyboard) -> Result<(), Failure> {
        let pressed = keyboard.read()?;
        if pressed.suspend {
            let shown = self.screen.take().is_some();
            keyboard.suspend()?;
            self.screen = shown.then(FullScreen::enter);
        }
        let mut quit = pressed.interrupt;
        while !quit && let Some(key) = keyboard.take_key() {
            quit = key == Key::Quit;
            self.view.scroll(key, term::size().1);
        }
        if quit && self.cancelled {
            return Err(Failure::new(Kind::Lost, "the daemon does not end its answer: hung up"));
        }
        if quit {
            connection.cancel()?;
            self.cancelled = true;
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), Failure> {
        if self.screen.is_none() {
            return Ok(());
        }
        let (columns, lines) = term::size();
        let frame = self.view.frame(columns, lines, clock::now(), self.printer.paint);
        // Lines are erased before and not behind what is written: in its last column a terminal
        // still stands on the letter that it has just shown.
        let text = format!("\x1b[H\x1b[2K{}", frame.join("\r\n\x1b[2K"));
        self.printer.print(&text)
    }

    /// Back to the lines before, and below them what was seen last.
    fn leave(self) -> Result<(), Failure> {
        let (columns, lines) = term::size();
        drop(self.screen);
        let rows = self.view.visible(lines, clock::now());
        if rows.is_empty() {
            return Ok(());
        }
        self.printer.print(&table::status(&rows, self.printer.paint, Some(columns)))
    }
}

/// What is shown: rows by program and number, each with the moment it came.
#[derive(Debug, Default)]
struct View {
    rows: BTreeMap<(String, u32), (Row, Instant)>,
    /// The first one that is to be seen.
    top: usize,
}

/// The lines that are no rows: the header above, the counts below.
const AROUND: usize = 2;

impl View {
    fn put(&mut self, row: Row, now: Instant) {
        self.rows.insert((row.program.clone(), row.index), (row, now));
    }

    fn remove(&mut self, row: &GoneRow) {
        self.rows.remove(&(row.program.clone(), row.index));
    }

    fn scroll(&mut self, key: Key, lines: usize) {
        let page = lines.saturating_sub(AROUND).max(1);
        let last = self.rows.len().saturating_sub(page);
        let top = self.top.min(last);
        self.top = match key {
            Key::Up => top.saturating_sub(1),
            Key::Down => top + 1,
            Key::PageUp => top.saturating_sub(page),
            Key::PageDown => top + page,
            Key::Home => 0,
            Key::End => last,
            Key::Quit | Key::Other => top,
        }
        .min(last);
    }

    /// The rows that a screen of so many lines has room for, as they are now.
    fn visible(&self, lines: usize, now: Instant) -> Vec<Row> {
        let page = lines.saturating_sub(AROUND).max(1);
        let top = self.top.min(self.rows.len().saturating_sub(page));
        let rows = self.rows.values().skip(top).take(page);
        rows.map(|(row, came)| aged(row, *came, now)).collect()
    }

    /// The lines of the screen.
    fn frame(&self, columns: usize, lines: usize, now: Instant, paint: Paint) -> Vec<String> {
        let page = lines.saturating_sub(AROUND).max(1);
        let rows = self.visible(lines, now);
        let name = self.rows.values().map(|(row, _)| width(&row.name)).max().unwrap_or(0);
        let mut frame = table::screen(rows.iter(), name, paint, columns);
        frame.resize(page + 1, String::new());
        let top = self.top.min(self.rows.len().saturating_sub(page));
        let counts = table::counts(self.rows.values().map(|(row, _)| row));
        let keys = match self.rows.len() > page {
            true => format!("{}-{}, arrows scroll, q leaves", top + 1, top + rows.len()),
            false => "q leaves".to_owned(),
        };
        let counts = cut(&counts, columns.saturating_sub(width(&keys) + 2));
        let gap = columns.saturating_sub(width(&counts) + width(&keys));
        let foot = format!("{counts}{:gap$}{keys}", "");
        frame.push(paint.paint(Colour::Bold, &cut(&foot, columns)));
        // Where there is hardly a screen, the rows matter most.
        frame.truncate(lines);
        frame
    }

    /// How long what is shown stays true; none: until there is news.
    fn tick(&self, now: Instant) -> Option<Duration> {
        /// The uptime of one that has been up for longer has no seconds.
        const HOUR: u64 = 3600;
        let up = self.rows.values().filter_map(|(row, came)| uptime(row, *came, now)).min()?;
        Some(Duration::from_secs(if up < HOUR { 1 } else { 60 - up % 60 }))
    }
}

/// The row with the uptime that it has by now.
fn aged(row: &Row, came: Instant, now: Instant) -> Row {
    Row { uptime: uptime(row, came, now), ..row.clone() }
}

fn uptime(row: &Row, came: Instant, now: Instant) -> Option<u64> {
    row.uptime.map(|uptime| uptime + now.saturating_duration_since(came).as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::StateName;

    fn row(program: &str, uptime: Option<u64>) -> Row {
        let state = if uptime.is_some() { StateName::Running } else { StateName::Stopped };
        Row {
            name: program.to_owned(),
            program: program.to_owned(),
            index: 0,
            state,
            pid: uptime.map(|_| 1),
            since: None,
            uptime,
            restarts: 0,
            exit: None,
            expected: None,
            description: String::new(),
            lost_bytes: 0,
        }
    }

    fn view(count: usize) -> (View, Instant) {
        #[allow(clippy::disallowed_methods)] // any point in time will do
        let now = Instant::now();
        let mut view = View::default();
        (0..count).for_each(|n| view.put(row(&format!("p{n:03}"), Some(5)), now));
        (view, now)
    }

    fn plain() -> Paint {
        Paint::new(false, &BTreeMap::new())
    }

    #[test]
    fn a_frame_fills_the_screen_and_no_more() {
        for count in [0, 1, 3, 30] {
            let (view, now) = view(count);
            for (columns, lines) in [(80, 24), (200, 50), (20, 3), (1, 1)] {
                let frame = view.frame(columns, lines, now, plain());
                assert_eq!(frame.len(), lines, "{count} on {columns}x{lines}: {frame:?}");
            }
        }
    }

    #[test]
    fn what_has_no_room_is_scrolled_to() {
        let (mut view, now) = view(30);
        let first = |view: &View| view.visible(12, now)[0].name.clone();
        assert!(view.frame(80, 12, now, plain())[11].contains("1-10, arrows"));
        for (key, shown) in [
            (Key::Up, "p000"),
            (Key::Down, "p001"),
            (Key::PageDown, "p011"),
            (Key::End, "p020"),
            (Key::PageDown, "p020"),
            (Key::PageUp, "p010"),
            (Key::Other, "p010"),
            (Key::Home, "p000"),
        ] {
            view.scroll(key, 12);
            assert_eq!(first(&view), shown, "{key:?}");
        }
        view.scroll(Key::End, 12);
        assert_eq!(view.visible(40, now).len(), 30, "a taller window shows all");
    }

    #[test]
    fn uptimes_go_on_and_rows_are_replaced_and_removed() {
        let (mut view, now) = view(2);
        let later = now + Duration::from_secs(70);
        assert_eq!(view.visible(24, later)[0].uptime, Some(75));
        assert_eq!(view.tick(now), Some(Duration::from_secs(1)));
        view.put(row("p000", None), later);
        let gone = row("p001", None);
        view.remove(&GoneRow { name: gone.name, program: gone.program, index: 0 });
        assert_eq!(view.tick(later), None, "there is nothing to move on");
        view.put(row("p000", Some(3605)), later);
        assert_eq!(view.tick(later), Some(Duration::from_secs(55)));
        assert_eq!(view.rows.len(), 1);
    }
}
