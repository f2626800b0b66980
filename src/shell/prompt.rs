//! The interactive shell: one loop that waits for keys and for the daemon.

use std::borrow::Cow;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use linefeed::{Command, Interface, ReadResult};

use super::complete::Tab;
use super::connection::Connection;
use super::exchange::{Asked, perform, understand};
use super::failure::{Failure, Kind};
use super::history::History;
use super::keyboard::Keyboard;
use super::link::Link;
use super::printer::Printer;
use super::target::Target;
use super::terminal::Console;
use super::text::clean_line;
use crate::protocol::{Request, split};
use crate::sys::{cause, term};

/// What stands before each line.
pub(super) const PROMPT: &str = "taskmaster> ";

/// What a terminal puts around a paste if some other program has asked it to. They mean nothing
/// here: lines that are pasted are lines that are typed.
const PASTE_MARKS: [&str; 2] = ["\x1b[200~", "\x1b[201~"];

/// Keys that the editor does not know, which would be typed as `[1~`: as the Linux console, tmux
/// and rxvt send Home and End, and xterm arrows with Ctrl; the pages have nothing to turn here.
const KEYS: [(&str, Command); 8] = [
    ("\x1b[1~", Command::BeginningOfLine),
    ("\x1b[7~", Command::BeginningOfLine),
    ("\x1b[4~", Command::EndOfLine),
    ("\x1b[8~", Command::EndOfLine),
    ("\x1b[1;5C", Command::ForwardWord),
    ("\x1b[1;5D", Command::BackwardWord),
    ("\x1b[5~", Command::Custom(Cow::Borrowed("page-up"))),
    ("\x1b[6~", Command::Custom(Cow::Borrowed("page-down"))),
];

/// Rounds that the editor gets without new keys: it acts upon one that is part of an
/// unknown sequence only in the next.
const SETTLE: usize = 4;

/// What to type next.
const HINT: &str = "\nhelp lists the commands, Tab completes, Ctrl-D leaves.\n";

/// Talks with a person until that person leaves. `how` is what there is to say of the daemon.
pub(super) fn run(
    target: Target,
    connection: Connection,
    printer: Printer,
    how: &str,
) -> Result<u8, Failure> {
    printer.print(&greeting(&connection, how))?;
    let mut shell = Shell::open(target, connection, printer)?;
    shell.greet()?;
    while let Some(line) = shell.read_line()? {
        if shell.line(&line)? == Go::Out {
            break;
        }
    }
    Ok(0)
}

/// Who is there.
pub(super) fn greeting(connection: &Connection, how: &str) -> String {
    format!(
        "taskmaster {} {how}: pid {}, at {}\nconfiguration {}\n\n",
        clean_line(&connection.version),
        connection.identity.pid,
        connection.name,
        clean_line(&connection.identity.config),
    )
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    On,
    Out,
}

struct Shell {
    editor: Interface<Console>,
    keyboard: Arc<Keyboard>,
    link: Arc<Mutex<Link>>,
    history: History,
    printer: Printer,
    /// A shutdown was asked for: the daemon may go.
    ending: bool,
}

impl Shell {
    fn open(target: Target, connection: Connection, printer: Printer) -> Result<Self, Failure> {
        let history = History::load(target.history_file());
        let link = Arc::new(Mutex::new(Link::new(target, connection)));
        let keyboard = Arc::new(Keyboard::open()?);
        let console = Console::new(Arc::clone(&keyboard));
        // The editor knows half of that file's language, complains of the rest on the terminal,
        // and has no Tab any more where somebody bound it to what it does not know.
        term::ignore_inputrc();
        let editor = Interface::with_term("taskmaster", console).map_err(terminal)?;
        for mark in PASTE_MARKS {
            editor.bind_sequence(mark, Command::Custom("paste-mark".into()));
        }
        for (key, command) in KEYS {
            editor.bind_sequence(key, command);
        }
        editor.set_prompt(PROMPT).map_err(terminal)?;
        editor.set_completer(Arc::new(Tab { link: Arc::clone(&link) }));
        let shell = Self { editor, keyboard, link, history, printer, ending: false };
        shell.recall();
        Ok(shell)
    }

    /// How things stand, and what next.
    fn greet(&mut self) -> Result<(), Failure> {
        let printer = self.printer;
        self.printer = printer.briefly();
        self.line_unrecorded("status")?;
        self.printer = printer;
        printer.print(HINT)
    }

    /// The next line; none: the person leaves, or the daemon has ended as asked.
    fn read_line(&mut self) -> Result<Option<String>, Failure> {
        loop {
            match self.edit()? {
                Some(ReadResult::Input(line)) => return Ok(Some(line)),
                Some(ReadResult::Eof) => return Ok(None),
                Some(ReadResult::Signal(_)) | None => {}
            }
            let waited = self.link().wait(self.keyboard.fd())?;
            if waited.lost && self.ending {
                self.end_of_daemon()?;
                return Ok(None);
            }
            if waited.lost {
                self.above("the daemon went away; the next command tries it again\n")?;
            }
            if waited.signal {
                self.keyboard.enforce()?;
            }
            if waited.keys {
                self.keys()?;
            }
        }
    }

    /// Says so in the place of the prompt, which has no more use.
    fn end_of_daemon(&self) -> Result<(), Failure> {
        self.editor.set_buffer("").map_err(terminal)?;
        self.editor.set_prompt("").map_err(terminal)?;
        self.printer.print("daemon ended")?;
        self.editor.cancel_read_line().map_err(terminal)
    }

    /// Lets the editor act upon what has been typed.
    fn edit(&mut self) -> Result<Option<ReadResult>, Failure> {
        let mut quiet = 0;
        while quiet < SETTLE {
            quiet = if self.keyboard.has_typed() { 0 } else { quiet + 1 };
            let step = self.editor.read_line_step(Some(Duration::ZERO)).map_err(terminal)?;
            if step.is_some() {
                return Ok(step);
            }
        }
        Ok(None)
    }

    /// Takes in keys, and acts upon those that act at once.
    fn keys(&mut self) -> Result<(), Failure> {
        let pressed = self.keyboard.read()?;
        if pressed.interrupt {
            let end = self.editor.buffer().len();
            self.editor.set_cursor(end).map_err(terminal)?;
            self.printer.print("^C")?;
            self.editor.cancel_read_line().map_err(terminal)?;
        }
        if pressed.suspend {
            // Below the line; the prompt is drawn again when this is dropped.
            let _below = self.editor.lock_writer_append().map_err(terminal)?;
            self.keyboard.suspend()?;
        }
        Ok(())
    }

    /// Runs a line that was typed.
    fn line(&mut self, line: &str) -> Result<Go, Failure> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(Go::On);
        }
        self.history.add(line);
        self.recall();
        self.line_unrecorded(line)
    }

    fn line_unrecorded(&mut self, line: &str) -> Result<Go, Failure> {
        match self.command(line) {
            Err(failure) if failure.kind == Kind::Unheard => Err(failure),
            Err(failure) => {
                if failure.kind == Kind::Lost {
                    self.link().close();
                    if self.ending {
                        self.printer.print("daemon ended\n")?;
                        return Ok(Go::Out);
                    }
                }
                failure.report();
                Ok(Go::On)
            }
            going => going,
        }
    }

    fn command(&mut self, line: &str) -> Result<Go, Failure> {
        let words = split(line).map_err(|why| Failure::new(Kind::Usage, why))?;
        match understand(&words)? {
            Asked::Nothing => {}
            Asked::Leave => return Ok(Go::Out),
            Asked::Told(text) => self.printer.print(&text)?,
            Asked::Daemon(request) => {
                self.ask(&words, &request)?;
            }
        }
        Ok(Go::On)
    }

    fn ask(&mut self, words: &[String], request: &Request) -> Result<(), Failure> {
        let link = Arc::clone(&self.link);
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, fresh) = link.open()?;
        if fresh {
            self.ending = false;
            let pid = connection.identity.pid;
            self.printer.print(&format!("connected again; the daemon has pid {pid}\n"))?;
        }
        let shutdown = matches!(request, Request::Shutdown);
        self.ending |= shutdown;
        let status = perform(connection, words, request, self.printer, Some(&self.keyboard))?;
        if shutdown && status != 0 {
            self.ending = false;
        }
        Ok(())
    }

    /// Gives the editor the history as it is now.
    fn recall(&self) {
        self.editor.clear_history();
        for line in self.history.lines() {
            self.editor.add_history(line.clone());
        }
    }

    /// Prints a line above the prompt and what is typed there.
    fn above(&self, text: &str) -> Result<(), Failure> {
        let mut writer = self.editor.lock_writer_erase().map_err(terminal)?;
        writer.write_str(text).map_err(terminal)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn terminal(error: io::Error) -> Failure {
    Failure::new(Kind::Failed, format!("cannot use the terminal: {}", cause(&error)))
}
