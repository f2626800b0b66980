//! Replies → what a person or a script sees.
//!
//! Results go to standard output, complaints to standard error. Nothing of the
//! daemon's is printed before control characters have been made visible.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use super::failure::{Failure, complain};
use super::paint::{Colour, Paint};
use super::text::{clean, clean_line, clean_output};
use super::{events, story, table};
use crate::protocol::{
    DetailRow, End, GoneRow, OutputRow, PidRow, PlanRow, ProblemRow, Reply, Request, ResultRow, Row,
};
use crate::sys::term;

/// How standard output and standard error want to be written to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer {
    terminal: bool,
    /// The terminal cannot move its cursor.
    dumb: bool,
    /// For standard output.
    pub(super) paint: Paint,
    error_terminal: bool,
    error_paint: Paint,
    /// A table that is longer than the screen is not wanted.
    brief: bool,
}

impl Printer {
    /// Looks at standard output, standard error and the environment.
    pub(super) fn new(env: &BTreeMap<String, String>) -> Self {
        let terminal = io::stdout().is_terminal();
        let error_terminal = io::stderr().is_terminal();
        let dumb = env.get("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal,
            dumb,
            paint: Paint::new(terminal, env),
            error_terminal,
            error_paint: Paint::new(error_terminal, env),
            brief: false,
        }
    }

    /// Writes text to standard output, at once.
    pub(super) fn print(&self, text: &str) -> Result<(), Failure> {
        self.print_bytes(text.as_bytes())
    }

    fn print_bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }

    /// The same, but on a terminal tables leave room for the prompt.
    pub(super) fn briefly(self) -> Self {
        Self { brief: true, ..self }
    }

    /// Whether standard output can be drawn on.
    pub(super) fn is_screen(&self) -> bool {
        self.terminal && !self.dumb
    }

    /// The width to keep within; none: any.
    fn columns(&self) -> Option<usize> {
        self.terminal.then(|| term::size().0)
    }

    fn problem(&self, problem: &ProblemRow) {
        // A problem begins with its place, so that editors can jump there.
        let mut text = clean(&problem.message).into_owned() + "\n";
        if problem.warning {
            text = format!("{}: {text}", self.error_paint.paint(Colour::Magenta, "warning"));
        }
        if let Some(excerpt) = problem.excerpt.as_ref().filter(|_| self.error_terminal) {
            text += clean(excerpt).trim_end();
            text.push('\n');
        }
        // Where standard error cannot be written to, there is nobody to tell.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// The form that the replies to one request are printed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// For people.
    Plain,
    /// For scripts: one array of all rows.
    Array,
    /// For scripts: an object a line.
    Objects,
}

/// Prints the replies to one request. Rows of the table are kept until all are there,
/// as each may widen it.
pub(super) struct Answer {
    printer: Printer,
    form: Form,
    /// Control characters may reach the terminal.
    raw: bool,
    /// A table is due, be it an empty one.
    table: bool,
    rows: Vec<Row>,
    details: Vec<DetailRow>,
    /// Rows go on to come, each to be printed by itself.
    watch: Option<table::Growing>,
    /// Its header is out.
    begun: bool,
    events: events::Columns,
}

impl Answer {
    /// The answer to this request.
    pub(super) fn to(request: &Request, printer: Printer) -> Self {
        let form = match request {
            Request::Status { json: true, watch: true, .. } => Form::Objects,
            Request::Status { json: true, .. } => Form::Array,
            Request::Events { json: true } => Form::Objects,
            _ => Form::Plain,
        };
        let table = matches!(request, Request::Status { .. });
        let raw = matches!(request, Request::Tail { raw: true, .. });
        let watch = matches!(request, Request::Status { watch: true, .. });
        Self {
            printer,
            form,
            raw,
            table: table && !watch,
            rows: Vec::new(),
            details: Vec::new(),
            watch: watch.then(table::Growing::default),
            begun: false,
            events: events::Columns::new(printer.terminal),
        }
    }

    /// Prints the next reply, and hands back the last.
    pub(super) fn take(&mut self, reply: Reply) -> Result<Option<End>, Failure> {
        match reply {
            Reply::Status(row) if self.watch.is_some() && self.form == Form::Objects => {
                self.printer.print(&(json(&row)? + "\n"))?;
            }
            Reply::Status(row) => self.rows.push(row),
            Reply::Detail(detail) => self.details.push(detail),
            Reply::Gone(row) => self.gone(&row)?,
            Reply::Current(_) => self.changes()?,
            Reply::Result(row) => self.result(&row)?,
            Reply::Plan(row) => self.plan(&row)?,
            Reply::Problem(problem) => self.printer.problem(&problem),
            Reply::Pid(row) => self.pid(&row)?,
            Reply::Event(event) if self.form == Form::Objects => {
                self.printer.print(&(json(&event)? + "\n"))?;
            }
            Reply::Event(event) => {
                let line = self.events.line(&event, self.printer.paint);
                self.printer.print(&line)?;
            }
            Reply::Output(row) => self.output(&row)?,
            Reply::Text(text) if self.form == Form::Plain => {
                self.printer.print(&format!("{}\n", clean(&text)))?;
            }
            // Words have no place in JSON.
            Reply::Text(_) => {}
            Reply::End(end) => {
                self.end(&end)?;
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Some of a log: as it is, or with control characters made visible, and with the name of
    /// the process before each line where there are several.
    fn output(&self, row: &OutputRow) -> Result<(), Failure> {
        let bytes = row.bytes();
        if self.raw && row.name.is_none() {
            return self.printer.print_bytes(&bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = if self.raw { text } else { clean_output(&text).into() };
        let Some(name) = &row.name else { return self.printer.print(&text) };
        let name = self.printer.paint.paint(Colour::Dim, &clean_line(name));
        let line = |line: &str| format!("{name} | {line}\n");
        self.printer.print(&text.lines().map(line).collect::<String>())
    }

    fn result(&self, row: &ResultRow) -> Result<(), Failure> {
        let line = format!("{}: {}", clean_line(&row.name), clean_line(&row.message));
        let colour = if row.ok { Colour::Plain } else { Colour::Red };
        self.printer.print(&(self.printer.paint.paint(colour, &line) + "\n"))
    }

    fn plan(&self, row: &PlanRow) -> Result<(), Failure> {
        let name = row.name.as_deref().unwrap_or("taskmaster");
        self.printer.print(&format!("{}: {}\n", clean_line(name), clean_line(&row.action)))
    }

    fn pid(&self, row: &PidRow) -> Result<(), Failure> {
        match row.pid {
            Some(pid) => self.printer.print(&format!("{pid}\n")),
            None => {
                let name = row.name.as_deref().unwrap_or("taskmaster");
                complain(format_args!("{}: not running", clean_line(name)));
                Ok(())
            }
        }
    }

    fn end(&mut self, end: &End) -> Result<(), Failure> {
        // A request that was refused as a whole has no table, not an empty one.
        let due = !self.rows.is_empty() || (self.table && end.error.is_none());
        if due {
            self.table()?;
        }
        if let Some(error) = &end.error {
            complain(error);
        }
        Ok(())
    }

    /// Prints the rows that have come, and what there is to tell besides.
    fn table(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.rows);
        let details = std::mem::take(&mut self.details);
        let (paint, columns) = (self.printer.paint, self.printer.columns());
        let mut text = match (self.form, columns) {
            (Form::Array, _) => array(&rows)?,
            (_, Some(columns)) if self.printer.brief => {
                table::brief(&rows, paint, columns, term::size().1)
            }
            _ => table::status(&rows, paint, columns),
        };
        if !details.is_empty() {
            text.push('\n');
            text += &story::text(&details, paint, columns);
        }
        self.printer.print(&text)
    }

    /// Of a table that is watched: the rows that are new, the header before the first.
    fn changes(&mut self) -> Result<(), Failure> {
        let rows = std::mem::take(&mut self.rows);
        let Some(table) = self.watch.as_mut().filter(|_| self.form == Form::Plain) else {
            return Ok(());
        };
        let paint = self.printer.paint;
        let mut text = String::new();
        if !std::mem::replace(&mut self.begun, true) {
            text += &table.begin(&rows, paint);
        }
        rows.iter().for_each(|row| text += &table.line(row, paint));
        self.printer.print(&text)
    }

    fn gone(&self, row: &GoneRow) -> Result<(), Failure> {
        match self.form {
            Form::Plain | Form::Array => {
                self.printer.print(&format!("{}  removed\n", clean_line(&row.name)))
            }
            Form::Objects => {
                let gone = std::collections::BTreeMap::from([("gone", &row.name)]);
                self.printer.print(&(json(&gone)? + "\n"))
            }
        }
    }
}

/// One array, a row a line.
fn array(rows: &[Row]) -> Result<String, Failure> {
    let lines = rows.iter().map(json).collect::<Result<Vec<_>, _>>()?;
    Ok(match lines.as_slice() {
        [] => "[]\n".to_owned(),
        lines => format!("[\n{}\n]\n", lines.join(",\n")),
    })
}

fn json<T: serde::Serialize>(row: &T) -> Result<String, Failure> {
    serde_json::to_string(row).map_err(|error| Failure::output(&error.into()))
}
