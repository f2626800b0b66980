//! A typed line as a value.

use std::collections::HashSet;
use std::time::Duration;

use super::commands::{COMMANDS, Command, Takes, find};
use crate::config::{Signal, nearest, parse_duration};

/// What a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A row for each process.
    Status {
        /// Which; none: all.
        selectors: Vec<String>,
        /// Print JSON. The shell's business, but for the details, which it leaves out.
        json: bool,
        /// Go on with what changes.
        watch: bool,
    },
    /// Start, and wait for RUNNING.
    Start {
        /// Which; at least one.
        selectors: Vec<String>,
        /// For how long.
        wait: Wait,
    },
    /// Stop, and wait for STOPPED.
    Stop {
        /// Which; at least one.
        selectors: Vec<String>,
        /// For how long.
        wait: Wait,
    },
    /// Stop what runs, start all.
    Restart {
        /// Which; at least one.
        selectors: Vec<String>,
        /// One after the other, each well before the next.
        rolling: bool,
        /// For how long.
        wait: Wait,
    },
    /// Let processes be started again, and start them.
    Enable {
        /// Which; at least one.
        selectors: Vec<String>,
    },
    /// Stop processes, and have nothing start them.
    Disable {
        /// Which; at least one.
        selectors: Vec<String>,
    },
    /// Send a signal.
    Signal {
        /// Which.
        signal: Signal,
        /// To which; at least one.
        selectors: Vec<String>,
    },
    /// Read the configuration again.
    Reload {
        /// Only say what would be done.
        dry_run: bool,
    },
    /// Say what is wrong with the configuration file.
    Check,
    /// Follow all changes.
    Events {
        /// Print JSON. The replies are the same: this is for the shell.
        json: bool,
    },
    /// The end of what processes have printed.
    Tail {
        /// Of which.
        selector: String,
        /// Of which stream.
        stream: Stream,
        /// Go on with what comes.
        follow: bool,
        /// So many lines at most.
        lines: usize,
        /// Print control characters. The replies are the same: this is for the shell.
        raw: bool,
    },
    /// The end of the daemon's own log.
    Log {
        /// Go on with what comes.
        follow: bool,
        /// So many lines at most.
        lines: usize,
    },
    /// Empty captured logs.
    Clear {
        /// Of which; at least one.
        selectors: Vec<String>,
    },
    /// Process ids.
    Pid {
        /// Of which; none: the daemon's own.
        selectors: Vec<String>,
    },
    /// The daemon's version.
    Version,
    /// Go on as the version that is installed now.
    Upgrade,
    /// Stop everything and end.
    Shutdown,
    /// Explain the commands, or one.
    Help {
        /// The one.
        command: Option<&'static str>,
    },
    /// Leave.
    Quit,
}

/// One of the two that a program prints to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How long a command waits for what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is decided.
    Forever,
    /// Not at all.
    No,
    /// At most so long.
    AtMost(Duration),
}

/// The words of a line, as a POSIX shell splits it.
///
/// # Errors
/// That a quote is open.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    shell_words::split(line).map_err(|_| {
        "a quote is opened and not closed; a \\ before it makes it an ordinary character".to_owned()
    })
}

impl Request {
    /// Reads a line as a POSIX shell splits words.
    ///
    /// # Errors
    /// A sentence that says what is wrong and how the command is used. An empty line is `None`.
    pub fn parse(line: &str) -> Result<Option<Self>, String> {
        Self::from_words(&split(line)?)
    }

    /// The same for a line that is already split.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn from_words(words: &[String]) -> Result<Option<Self>, String> {
        let Some((name, rest)) = words.split_first() else { return Ok(None) };
        let command = find(name).ok_or_else(|| unknown(name))?;
        let mut options = rest.iter().take_while(|word| *word != "--");
        if options.any(|word| word == "--help" || word == "-h") {
            return Ok(Some(Self::Help { command: Some(command.name) }));
        }
        let mut args = Args::read(command, rest)?;
        let (wait, lines) = (args.wait()?, args.lines()?);
        let given = |option| args.options.contains(&option);
        let (json, follow, raw) = (given("--json"), given("-f"), given("--raw"));
        let (watch, rolling, dry_run) = (given("-w"), given("--rolling"), given("--dry-run"));
        Ok(Some(match command.name {
            "status" => Self::Status { selectors: args.selectors()?, json, watch },
            "start" => Self::Start { selectors: args.selectors()?, wait },
            "stop" => Self::Stop { selectors: args.selectors()?, wait },
            "restart" => Self::Restart { selectors: args.selectors()?, rolling, wait },
            "enable" => Self::Enable { selectors: args.selectors()? },
            "disable" => Self::Disable { selectors: args.selectors()? },
            "signal" => {
                let signal = Signal::parse(&args.plain.remove(0))?;
                Self::Signal { signal, selectors: args.selectors()? }
            }
            "reload" => Self::Reload { dry_run },
            "check" => Self::Check,
            "events" => Self::Events { json },
            "tail" => {
                let stream = stream(args.plain.get(1))?;
                let selector = args.plain.swap_remove(0);
                Self::Tail { selector, stream, follow, lines, raw }
            }
            "log" => Self::Log { follow, lines },
            "clear" => Self::Clear { selectors: args.selectors()? },
            "pid" => Self::Pid { selectors: args.selectors()? },
            "version" => Self::Version,
            "upgrade" => Self::Upgrade,
            "shutdown" => Self::Shutdown,
            "help" => Self::Help { command: help_topic(&args.plain)? },
            _ => Self::Quit,
        }))
    }
}

/// Different globs that a request may have; each is compared with the names of all processes.
const MAX_GLOBS: usize = 100;

/// The words after a command's name, sorted.
struct Args {
    options: Vec<&'static str>,
    /// Options that take a value, with it.
    values: Vec<(&'static str, String)>,
    plain: Vec<String>,
}

impl Args {
    fn read(command: &Command, words: &[String]) -> Result<Self, String> {
        let mut args = Self { options: Vec::new(), values: Vec::new(), plain: Vec::new() };
        let mut words = words.iter();
        let mut only_plain = false;
        while let Some(word) = words.next() {
            if only_plain || !word.starts_with('-') || word == "-" {
                args.plain.push(word.clone());
                continue;
            }
            if word == "--" {
                only_plain = true;
                continue;
            }
            let (name, inline) = match (word.split_once('='), word.get(..2)) {
                (Some((name, value)), _) => (name, Some(value.to_owned())),
                // -n5 is -n 5, as everywhere.
                (None, Some("-n")) if word.len() > 2 => ("-n", word.get(2..).map(str::to_owned)),
                (None, _) => (word.as_str(), None),
            };
            let Some(option) = command.options.iter().find(|option| option.name == name) else {
                return Err(format!(
                    "{}: unknown option {}{}",
                    command.name,
                    start(name),
                    usage(command)
                ));
            };
            if option.value.is_some() {
                let value = inline.or_else(|| words.next().cloned());
                let value = value.ok_or_else(|| {
                    format!("{}: {name} needs a value{}", command.name, usage(command))
                })?;
                args.values.push((option.name, value));
            } else if inline.is_some() {
                return Err(format!("{}: {name} takes no value", command.name));
            } else {
                args.options.push(option.name);
            }
        }
        args.check_count(command)?;
        Ok(args)
    }

    fn check_count(&self, command: &Command) -> Result<(), String> {
        let (least, most, what) = match command.takes {
            Takes::Nothing => (0, 0, ""),
            Takes::Processes => (0, usize::MAX, ""),
            Takes::SomeProcesses => (1, usize::MAX, "which processes? a name, a pattern or all"),
            Takes::ProcessAndStream => (1, 2, "of which process?"),
            Takes::SignalAndProcesses => (2, usize::MAX, "a signal and at least one process"),
            Takes::CommandName => (0, 1, ""),
        };
        if self.plain.len() < least {
            return Err(format!("{}: {what}{}", command.name, usage(command)));
        }
        match self.plain.get(most) {
            Some(extra) => Err(format!(
                "{}: unexpected argument {:?}{}",
                command.name,
                start(extra),
                usage(command)
            )),
            None => Ok(()),
        }
    }

    /// The plain words as selectors.
    fn selectors(&mut self) -> Result<Vec<String>, String> {
        let selectors = std::mem::take(&mut self.plain);
        let globs = selectors.iter().filter(|selector| selector.contains(['*', '?']));
        match globs.collect::<HashSet<_>>().len() {
            globs if globs > MAX_GLOBS => Err(format!(
                "a request has at most {MAX_GLOBS} different globs, not {globs}: name the \
                 processes, or ask in several requests"
            )),
            _ => Ok(selectors),
        }
    }

    /// The value of an option; the last one counts.
    fn value(&self, option: &str) -> Option<&str> {
        let given = self.values.iter().rev().find(|(name, _)| *name == option);
        given.map(|(_, value)| value.as_str())
    }

    fn lines(&self) -> Result<usize, String> {
        const LINES: usize = 10;
        self.value("-n").map_or(Ok(LINES), |text| {
            text.parse().map_err(|_| format!("-n: a number of lines, not {:?}", start(text)))
        })
    }

    fn wait(&self) -> Result<Wait, String> {
        if self.options.contains(&"--no-wait") {
            return Ok(Wait::No);
        }
        match self.value("--timeout") {
            None => Ok(Wait::Forever),
            Some(text) => parse_duration(text)
                .map(Wait::AtMost)
                .map_err(|error| format!("--timeout: {error}")),
        }
    }
}

/// As much of a typed word as is worth repeating.
fn start(word: &str) -> String {
    const ENOUGH: usize = 40;
    let mut start: String = word.chars().take(ENOUGH).collect();
    if start.len() < word.len() {
        start.push('\u{2026}');
    }
    start
}

fn usage(command: &Command) -> String {
    format!(" (usage: {} {})", command.name, command.usage).replace(" )", ")")
}

fn stream(word: Option<&String>) -> Result<Stream, String> {
    match word.map(String::as_str) {
        None | Some("stdout") => Ok(Stream::Stdout),
        Some("stderr") => Ok(Stream::Stderr),
        Some(other) => {
            Err(format!("tail: after the process stands stdout or stderr, not {:?}", start(other)))
        }
    }
}

fn unknown(word: &str) -> String {
    let names = COMMANDS.iter().flat_map(|c| std::iter::once(&c.name).chain(c.aliases)).copied();
    match nearest(word, names) {
        Some(near) => format!("unknown command {:?}; did you mean {near}?", start(word)),
        None => format!("unknown command {:?}; help lists them all", start(word)),
    }
}

fn help_topic(words: &[String]) -> Result<Option<&'static str>, String> {
    match words.first() {
        None => Ok(None),
        Some(word) => find(word).map(|c| Some(c.name)).ok_or_else(|| unknown(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Request>, String> {
        Request::parse(line)
    }

    #[test]
    fn an_empty_line_asks_for_nothing() {
        assert_eq!(parse("   "), Ok(None));
    }

    #[test]
    fn options_stand_anywhere_and_two_dashes_end_them() {
        let selectors = vec!["web".to_owned(), "--no-wait".to_owned()];
        assert_eq!(
            parse("stop --timeout=2s web -- --no-wait"),
            Ok(Some(Request::Stop { selectors, wait: Wait::AtMost(Duration::from_secs(2)) }))
        );
    }

    #[test]
    fn names_are_many_and_globs_are_few() {
        let names: Vec<String> = (0..10_000).map(|n| format!("p{n}")).collect();
        let globs: Vec<String> = (0..=100).map(|n| format!("p{n}*")).collect();
        let (all, names) = (globs.join(" "), names.join(" "));
        let some = &globs[..100].join(" ");
        for line in ["status", "start", "stop", "restart", "enable", "signal HUP", "clear", "pid"] {
            assert!(parse(&format!("{line} {some} {some} {names}")).is_ok(), "{line}");
            assert_eq!(
                parse(&format!("{line} {all}")).unwrap_err(),
                "a request has at most 100 different globs, not 101: name the processes, or ask \
                 in several requests",
                "{line}"
            );
        }
    }

    #[test]
    fn an_error_says_how_the_command_is_used() {
        let error = parse("start").unwrap_err();
        assert!(error.contains("usage: start SEL..."), "{error}");
        let error = parse("version now").unwrap_err();
        assert!(error.ends_with("(usage: version)"), "{error}");
        let error = parse("stats").unwrap_err();
        assert!(error.contains("did you mean status?"), "{error}");
    }

    #[test]
    fn every_command_of_the_table_is_a_request() {
        for command in COMMANDS {
            let line = match command.takes {
                Takes::Nothing | Takes::Processes | Takes::CommandName => command.name.to_owned(),
                Takes::SomeProcesses | Takes::ProcessAndStream => format!("{} web", command.name),
                Takes::SignalAndProcesses => format!("{} HUP web", command.name),
            };
            let request = parse(&line).unwrap().unwrap();
            let quits = matches!(request, Request::Quit);
            assert_eq!(quits, command.name == "quit", "{line}");
        }
    }
}
