//! The table of commands: the grammar, help, completion and the manual read it.

/// One command of the shell.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// What follows the name, for people.
    pub usage: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its options.
    pub options: &'static [Opt],
    /// What its arguments are.
    pub takes: Takes,
}

/// An option of a command.
#[derive(Debug)]
pub struct Opt {
    /// With its dashes.
    pub name: &'static str,
    /// The name of its value, where it takes one.
    pub value: Option<&'static str>,
    /// What it does, in one line.
    pub summary: &'static str,
}

/// What a command's arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// None.
    Nothing,
    /// Selectors of processes; none means all of them, or the daemon.
    Processes,
    /// At least one selector of processes.
    SomeProcesses,
    /// A selector of processes, then perhaps `stdout` or `stderr`.
    ProcessAndStream,
    /// A signal, then at least one selector.
    SignalAndProcesses,
    /// The name of a command, or none.
    CommandName,
}

const JSON: Opt = Opt { name: "--json", value: None, summary: "one JSON value instead of a table" };
const WATCH: Opt =
    Opt { name: "-w", value: None, summary: "keep it up to date, until q or Ctrl-C" };
const FOLLOW: Opt = Opt { name: "-f", value: None, summary: "go on with what comes, until Ctrl-C" };
const LINES: Opt =
    Opt { name: "-n", value: Some("LINES"), summary: "so many lines at most; by default 10" };
const RAW: Opt =
    Opt { name: "--raw", value: None, summary: "let control characters reach the terminal" };
const NO_WAIT: Opt =
    Opt { name: "--no-wait", value: None, summary: "return when it is asked, not when it is done" };
const TIMEOUT: Opt = Opt {
    name: "--timeout",
    value: Some("T"),
    summary: "wait at most this long, then exit 1; what was asked goes on",
};
const WAITING: &[Opt] = &[NO_WAIT, TIMEOUT];

const RESTARTING: &[Opt] = &[
    Opt {
        name: "--rolling",
        value: None,
        summary: "one after the other, each well before the next",
    },
    NO_WAIT,
    TIMEOUT,
];

/// Every command, in the order in which help shows them.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "status",
        aliases: &[],
        usage: "[SEL...] [--json] [-w]",
        summary: "show state, pid, uptime and what is wrong",
        options: &[JSON, WATCH],
        takes: Takes::Processes,
    },
    Command {
        name: "start",
        aliases: &[],
        usage: "SEL... [--no-wait] [--timeout T]",
        summary: "start processes and wait until they run",
        options: WAITING,
        takes: Takes::SomeProcesses,
    },
    Command {
        name: "stop",
        aliases: &[],
        usage: "SEL... [--no-wait] [--timeout T]",
        summary: "stop processes and wait until they are gone",
        options: WAITING,
        takes: Takes::SomeProcesses,
    },
    Command {
        name: "restart",
        aliases: &[],
        usage: "[--rolling] SEL... [--no-wait] [--timeout T]",
        summary: "stop, then start; a stopped process is started",
        options: RESTARTING,
        takes: Takes::SomeProcesses,
    },
    Command {
        name: "enable",
        aliases: &[],
        usage: "SEL...",
        summary: "undo disable: start processes",
        options: &[],
        takes: Takes::SomeProcesses,
    },
    Command {
        name: "disable",
        aliases: &[],
        usage: "SEL...",
        summary: "stop processes for good: only enable starts them",
        options: &[],
        takes: Takes::SomeProcesses,
    },
    Command {
        name: "signal",
        aliases: &[],
        usage: "SIG SEL...",
        summary: "send a signal, as HUP or USR1",
        options: &[],
        takes: Takes::SignalAndProcesses,
    },
    Command {
        name: "reload",
        aliases: &["update", "reread"],
        usage: "[--dry-run]",
        summary: "read the configuration again and apply what changed",
        options: &[Opt {
            name: "--dry-run",
            value: None,
            summary: "print the plan and do nothing",
        }],
        takes: Takes::Nothing,
    },
    Command {
        name: "check",
        aliases: &[],
        usage: "",
        summary: "tell what is wrong with the daemon's configuration",
        options: &[],
        takes: Takes::Nothing,
    },
    Command {
        name: "tail",
        aliases: &[],
        usage: "[-f] [-n LINES] [--raw] SEL [stdout|stderr]",
        summary: "show the end of what programs printed",
        options: &[FOLLOW, LINES, RAW],
        takes: Takes::ProcessAndStream,
    },
    Command {
        name: "clear",
        aliases: &[],
        usage: "SEL...",
        summary: "empty the captured logs, the rotated ones too",
        options: &[],
        takes: Takes::SomeProcesses,
    },
    Command {
        name: "log",
        aliases: &["maintail"],
        usage: "[-f] [-n LINES]",
        summary: "show the end of the daemon's own log",
        options: &[FOLLOW, LINES],
        takes: Takes::Nothing,
    },
    Command {
        name: "events",
        aliases: &[],
        usage: "[--json]",
        summary: "follow every change as it happens, until Ctrl-C",
        options: &[Opt { name: "--json", value: None, summary: "one JSON object a line" }],
        takes: Takes::Nothing,
    },
    Command {
        name: "pid",
        aliases: &[],
        usage: "[SEL...]",
        summary: "print process ids; without SEL the daemon's",
        options: &[],
        takes: Takes::Processes,
    },
    Command {
        name: "version",
        aliases: &[],
        usage: "",
        summary: "print the daemon's version",
        options: &[],
        takes: Takes::Nothing,
    },
    Command {
        name: "upgrade",
        aliases: &[],
        usage: "",
        summary: "go on as the version that is installed now",
        options: &[],
        takes: Takes::Nothing,
    },
    Command {
        name: "shutdown",
        aliases: &[],
        usage: "",
        summary: "stop every process, then the daemon",
        options: &[],
        takes: Takes::Nothing,
    },
    Command {
        name: "help",
        aliases: &[],
        usage: "[COMMAND]",
        summary: "show what can be typed here",
        options: &[],
        takes: Takes::CommandName,
    },
    Command {
        name: "quit",
        aliases: &["exit"],
        usage: "",
        summary: "leave the shell; the daemon goes on",
        options: &[],
        takes: Takes::Nothing,
    },
];

/// The command of this name or alias.
pub fn find(word: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == word || command.aliases.contains(&word))
}
