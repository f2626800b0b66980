//! The command line: the applets and their flags as a table; arguments to [`Invocation`].

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::config::nearest;
use crate::protocol::{COMMANDS, find_command};

/// What is called by a name of its own, or by the first word.
#[derive(Debug)]
pub struct Applet {
    /// The first word.
    pub name: &'static str,
    /// The name of a link to the binary that means the same; or none.
    pub link: Option<&'static str>,
    /// What follows the name, for people.
    pub usage: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its flags, besides --help and --version.
    pub flags: &'static [Flag],
}

/// An option of an applet.
#[derive(Debug)]
pub struct Flag {
    /// With one dash, where it has a short form.
    pub short: Option<char>,
    /// Without its two dashes.
    pub long: &'static str,
    /// The name of its value, where it takes one.
    pub value: Option<&'static str>,
    /// What it does, in one line.
    pub summary: &'static str,
}

const CONFIG: Flag = Flag {
    short: Some('c'),
    long: "config",
    value: Some("FILE"),
    summary: "the configuration; else the first that is found",
};
const DETACH: Flag = Flag {
    short: Some('d'),
    long: "detach",
    value: None,
    summary: "return once all is started; go on in the background",
};
const SERVER: Flag = Flag {
    short: Some('s'),
    long: "server",
    value: Some("HOST:PORT"),
    summary: "the daemon; else the one of the configuration",
};
const SECRET_FILE: Flag = Flag {
    short: None,
    long: "secret-file",
    value: Some("FILE"),
    summary: "its secret; else the one of the configuration",
};
const MAIL: Flag = Flag {
    short: None,
    long: "mail",
    value: None,
    summary: "send a test message, and tell each step",
};

/// Every applet.
pub const APPLETS: &[Applet] = &[
    Applet {
        name: "daemon",
        link: Some("taskmasterd"),
        usage: "[-c FILE] [-d]",
        summary: "start what the configuration names, and keep it so",
        flags: &[CONFIG, DETACH],
    },
    Applet {
        name: "shell",
        link: Some("taskmasterctl"),
        usage: "[-c FILE] [-s HOST:PORT] [--secret-file FILE] [COMMAND...]",
        summary: "talk to the daemon: one command, or a prompt",
        flags: &[CONFIG, SERVER, SECRET_FILE],
    },
    Applet {
        name: "up",
        link: None,
        usage: "[-c FILE]",
        summary: "start a detached daemon if none answers, then the prompt",
        flags: &[CONFIG],
    },
    Applet {
        name: "check",
        link: None,
        usage: "[-c FILE] [--mail]",
        summary: "read the configuration and print every problem in it",
        flags: &[CONFIG, MAIL],
    },
];

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Supervise.
    Daemon {
        /// `-c`.
        config: Option<PathBuf>,
        /// `-d`.
        detach: bool,
    },
    /// Talk to a daemon.
    Shell {
        /// `-c`.
        config: Option<PathBuf>,
        /// `-s`.
        server: Option<String>,
        /// `--secret-file`.
        secret_file: Option<PathBuf>,
        /// The command and its arguments; none: the prompt.
        command: Vec<String>,
    },
    /// A daemon if need be, then the prompt.
    Up {
        /// `-c`.
        config: Option<PathBuf>,
    },
    /// Print the configuration's problems.
    Check {
        /// `-c`.
        config: Option<PathBuf>,
        /// `--mail`.
        mail: bool,
    },
    /// Move captured output: started by the daemon, and of no use to people.
    Logger,
    /// Send a message: as the logger, for the daemon and `check` to start.
    Mail,
    /// Whether this version can go on from a daemon's state: run by that daemon.
    ResumeCheck,
    /// Print this.
    Print(String),
}

/// A command line that means nothing: what to say on stderr, before exit status 2.
#[derive(Debug, PartialEq, Eq)]
pub struct Usage(pub String);

/// Reads the command line, the program's own name first.
///
/// # Errors
/// What is wrong, and the way out.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Usage> {
    let mut args = args.into_iter();
    let called = args.next().unwrap_or_default();
    let called = Path::new(&called).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let rest: Vec<OsString> = args.collect();
    if let Some(applet) = APPLETS.iter().find(|applet| applet.link == Some(&called)) {
        return read(applet, &called, rest);
    }
    let Some(first) = rest.first() else { return Err(Usage(help())) };
    let first = first.to_string_lossy().into_owned();
    let after = || rest.iter().skip(1).cloned().collect();
    match first.as_str() {
        "-h" | "--help" => return Ok(Invocation::Print(help())),
        "-V" | "--version" => return Ok(Invocation::Print(version())),
        "logger" => return Ok(Invocation::Logger),
        "mail" => return Ok(Invocation::Mail),
        "resume-check" => return Ok(Invocation::ResumeCheck),
        _ => {}
    }
    // `check` is both; the applet needs no daemon.
    if let Some(applet) = APPLETS.iter().find(|applet| applet.name == first) {
        return read(applet, &format!("taskmaster {first}"), after());
    }
    if find_command(&first).is_some() {
        let command = words(rest.clone())?;
        return Ok(Invocation::Shell { config: None, server: None, secret_file: None, command });
    }
    Err(unknown(&first))
}

fn read(applet: &Applet, called: &str, args: Vec<OsString>) -> Result<Invocation, Usage> {
    use lexopt::Arg::{Long, Short, Value};
    let mut parser = lexopt::Parser::from_args(args);
    let mut given = Given::default();
    loop {
        let arg = parser.next().map_err(|error| see_help(called, &error.to_string()))?;
        let flag = match &arg {
            None => break,
            Some(Short('h') | Long("help")) => {
                return Ok(Invocation::Print(applet_help(applet, called)));
            }
            Some(Short('V') | Long("version")) => return Ok(Invocation::Print(version())),
            Some(Short(short)) => applet.flags.iter().find(|f| f.short == Some(*short)),
            Some(Long(long)) => applet.flags.iter().find(|f| f.long == *long),
            Some(Value(_)) => None,
        };
        match (arg, flag) {
            (Some(Value(first)), _) if applet.name == "shell" => {
                // The command's own options are for it to read.
                let rest = parser.raw_args().map_err(|e| see_help(called, &e.to_string()))?;
                given.command = words(std::iter::once(first).chain(rest))?;
                break;
            }
            (_, Some(flag)) => {
                let value = match flag.value {
                    Some(_) => {
                        parser.value().map_err(|error| see_help(called, &error.to_string()))?
                    }
                    None => OsString::new(),
                };
                given.take(flag, value).map_err(|error| see_help(called, &error))?;
            }
            (Some(arg), None) => {
                return Err(see_help(called, &arg.unexpected().to_string()));
            }
            (None, None) => break,
        }
    }
    Ok(given.invocation(applet))
}

/// What the flags gave.
#[derive(Default)]
struct Given {
    config: Option<PathBuf>,
    detach: bool,
    mail: bool,
    server: Option<String>,
    secret_file: Option<PathBuf>,
    command: Vec<String>,
}

impl Given {
    fn take(&mut self, flag: &Flag, value: OsString) -> Result<(), String> {
        let text = |value: OsString| {
            value
                .into_string()
                .map_err(|v| format!("--{}: {} is not UTF-8", flag.long, v.display()))
        };
        match flag.long {
            "config" => self.config = Some(value.into()),
            "detach" => self.detach = true,
            "mail" => self.mail = true,
            "server" => self.server = Some(text(value)?),
            _ => self.secret_file = Some(value.into()),
        }
        Ok(())
    }

    fn invocation(self, applet: &Applet) -> Invocation {
        let Self { config, detach, mail, server, secret_file, command } = self;
        match applet.name {
            "daemon" => Invocation::Daemon { config, detach },
            "shell" => Invocation::Shell { config, server, secret_file, command },
            "up" => Invocation::Up { config },
            _ => Invocation::Check { config, mail },
        }
    }
}

fn words(args: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, Usage> {
    let text = |arg: OsString| {
        arg.into_string()
            .map_err(|arg| Usage(format!("taskmaster: {} is not UTF-8", arg.display())))
    };
    args.into_iter().map(text).collect()
}

fn unknown(word: &str) -> Usage {
    let applets = APPLETS.iter().map(|applet| applet.name);
    let commands = COMMANDS.iter().map(|command| command.name);
    let kind = if word.starts_with('-') { "option" } else { "command" };
    // The value may follow at once.
    let is = |flag: &Flag| match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(long), _) => long.split('=').next() == Some(flag.long),
        (None, short) => short.zip(flag.short).is_some_and(|(word, flag)| word.starts_with(flag)),
    };
    let takes = |applet: &&Applet| applet.flags.iter().any(is);
    let shell = APPLETS.iter().find(|applet| applet.name == "shell").filter(takes);
    let taker = shell.or_else(|| APPLETS.iter().find(takes));
    let hint = match nearest(word, applets.chain(commands)) {
        Some(near) if kind == "command" => format!("did you mean {near}?"),
        _ => match taker {
            Some(Applet { name, .. }) => {
                format!("it follows the applet, as: taskmaster {name} {word} ...")
            }
            None => "see taskmaster --help".to_owned(),
        },
    };
    Usage(format!("taskmaster: unknown {kind} {word:?}; {hint}"))
}

fn see_help(called: &str, error: &str) -> Usage {
    Usage(format!("taskmaster: {error}; see {called} --help"))
}

/// `taskmaster --version`.
pub fn version() -> String {
    format!("taskmaster {}\n", env!("CARGO_PKG_VERSION"))
}

/// `taskmaster --help`.
pub fn help() -> String {
    let mut text =
        "taskmaster starts programs, keeps them alive and tells the truth about them.\n\n\
        Usage:\n"
            .to_owned();
    for applet in APPLETS {
        let _ = writeln!(text, "  taskmaster {} {}", applet.name, applet.usage);
    }
    text.push_str(
        "  taskmaster COMMAND [ARG]...      (short for: taskmaster shell COMMAND ...)\n\n",
    );
    for applet in APPLETS {
        let link = applet.link.map(|link| format!(" ({link})")).unwrap_or_default();
        let _ = writeln!(text, "  {:<9}{}{link}", applet.name, applet.summary);
    }
    text.push_str("\nCommands:\n");
    // `check` stands above.
    for command in COMMANDS.iter().filter(|command| command.name != "check") {
        let _ = writeln!(text, "  {:<9}{}", command.name, command.summary);
    }
    text.push_str(
        "\n  -h, --help     print this, or with an applet its options\n  \
           -V, --version  print the version\n\n\
         First steps: taskmaster up. More: man taskmaster, taskmasterctl, taskmaster.yaml\n",
    );
    text
}

fn applet_help(applet: &Applet, called: &str) -> String {
    let mut text =
        format!("{called}: {}\n\nUsage:\n  {called} {}\n\n", applet.summary, applet.usage);
    let common = [
        Flag { short: Some('h'), long: "help", value: None, summary: "print this" },
        Flag { short: Some('V'), long: "version", value: None, summary: "print the version" },
    ];
    for flag in applet.flags.iter().chain(&common) {
        let short = flag.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let _ =
            writeln!(text, "  {short}{:<20}  {}", format!("--{}{value}", flag.long), flag.summary);
    }
    if applet.name == "shell" {
        text.push_str("\nCommands:\n");
        for command in COMMANDS {
            let _ = writeln!(text, "  {:<9}{}", command.name, command.summary);
        }
        let _ = writeln!(text, "\n{called} help COMMAND explains one of them.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Invocation, Usage> {
        parse(line.split(' ').map(OsString::from))
    }

    fn shell(command: &[&str]) -> Invocation {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        Invocation::Shell { config: None, server: None, secret_file: None, command }
    }

    #[test]
    fn the_name_it_is_called_by_picks_the_applet() {
        let daemon = Invocation::Daemon { config: Some("x".into()), detach: true };
        assert_eq!(parse_line("/usr/bin/taskmasterd -dc x").as_ref(), Ok(&daemon));
        assert_eq!(parse_line("taskmaster daemon --config=x --detach").as_ref(), Ok(&daemon));
        assert_eq!(parse_line("taskmasterctl status"), Ok(shell(&["status"])));
    }

    #[test]
    fn a_command_keeps_its_own_options() {
        assert_eq!(
            parse_line("taskmaster stop --no-wait -- web"),
            Ok(shell(&["stop", "--no-wait", "--", "web"]))
        );
        let Ok(Invocation::Shell { server, command, .. }) =
            parse_line("taskmaster shell -s a:1 status -d")
        else {
            panic!()
        };
        assert_eq!((server.as_deref(), command.join(" ").as_str()), (Some("a:1"), "status -d"));
    }

    #[test]
    fn what_means_nothing_says_the_way_out() {
        for (line, hint) in [
            ("taskmaster", "Usage:"),
            ("taskmaster stats", "did you mean status?"),
            ("taskmaster -c x status", "taskmaster shell -c"),
            ("taskmaster -cx status", "as: taskmaster shell -cx ..."),
            ("taskmaster --config=x status", "as: taskmaster shell --config=x ..."),
            ("taskmaster -d", "as: taskmaster daemon -d ..."),
            ("taskmaster --configx status", "see taskmaster --help"),
            ("taskmaster daemon --frob", "see taskmaster daemon --help"),
            ("taskmaster daemon x", "see taskmaster daemon --help"),
            ("taskmaster up -c", "see taskmaster up --help"),
        ] {
            let Usage(text) = parse_line(line).unwrap_err();
            assert!(text.contains(hint), "{line}: {text}");
        }
    }

    #[test]
    fn help_fits_80_columns() {
        let applets = APPLETS.iter().map(|applet| applet_help(applet, "taskmaster"));
        for text in applets.chain([help()]) {
            let long = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(long, None, "{text}");
        }
    }
}
