//! The papers held to the tables: manual pages, completions, the sample, the README.
//!
//! Whatever the program knows must stand in them, and they name nothing that it does not know.
//! Of mdoc(7) this understands as much as the pages use.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::{APPLETS, Flag};
use crate::config::{
    self, BACKOFF_KEYS, CAPTURE_KEYS, Config, DAEMON_KEYS, DEPENDENCY_KEYS, Files, HEALTH_KEYS,
    HOOK_KEYS, LOG_KEYS, MAIL_KEYS, MAX_RESTARTS_KEYS, PROGRAM_KEYS, Problems, READY_KEYS, SIGNALS,
    TOP_KEYS,
};
use crate::protocol::{
    self, COMMANDS, DetailRow, End, EventName, EventRow, GoneRow, LINE_LIMIT, OutputRow, PROTOCOL,
    PidRow, PlanRow, ProblemRow, Reply, ResultRow, Row,
};
use crate::supervisor::StateName;

const PAGES: [&str; 5] = [
    "taskmaster.1",
    "taskmasterctl.1",
    "taskmaster.yaml.5",
    "taskmaster-protocol.7",
    "taskmaster-security.7",
];

fn top(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn paper(path: &str) -> String {
    fs::read_to_string(top(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn page(name: &str) -> String {
    paper(&format!("man/{name}"))
}

/// An entry of a list.
struct Item {
    /// 1 in the outermost list.
    depth: usize,
    /// The line's words behind `.It`.
    words: Vec<String>,
    /// The lines below, up to the next entry of any list.
    body: String,
}

impl Item {
    fn text(&self) -> String {
        rendered(&self.words)
    }
}

/// The entries of all lists in a section.
fn items(page: &str, section: &str) -> Vec<Item> {
    let (mut items, mut depth, mut inside) = (Vec::<Item>::new(), 0, false);
    for line in page.lines() {
        if let Some(name) = line.strip_prefix(".Sh ") {
            inside = name == section;
        } else if line.starts_with(".Bl ") {
            depth += 1;
        } else if line == ".El" {
            depth -= 1;
        } else if let Some(words) = line.strip_prefix(".It ").filter(|_| inside) {
            let words = words.split(' ').map(str::to_owned).collect();
            items.push(Item { depth, words, body: String::new() });
        } else if let Some(last) = items.last_mut().filter(|_| inside) {
            let _ = writeln!(last.body, "{line}");
        }
    }
    assert!(!items.is_empty(), "no list in {section}");
    items
}

fn is_macro(word: &str) -> bool {
    let mut letters = word.chars();
    let (first, second, third) = (letters.next(), letters.next(), letters.next());
    first.is_some_and(|c| c.is_ascii_uppercase())
        && second.is_some_and(|c| c.is_ascii_lowercase())
        && third.is_none()
}

/// Words of mdoc as they are shown, less brackets.
fn rendered(words: &[String]) -> String {
    let (mut text, mut glue) = (String::new(), true);
    for word in words {
        match word.as_str() {
            "Fl" => {
                if !text.is_empty() && !glue {
                    text.push(' ');
                }
                text.push('-');
                glue = true;
            }
            "Ns" => glue = true,
            word if is_macro(word) => {}
            "," | ":" | ";" | "." => {
                text += word;
                glue = false;
            }
            word => {
                if !glue {
                    text.push(' ');
                }
                text += word;
                glue = false;
            }
        }
    }
    text
}

/// What stands behind a macro, everywhere in a page: the words up to the next macro.
fn behind(page: &str, name: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in page.lines().filter_map(|line| line.strip_prefix('.')) {
        let mut current: Option<Vec<String>> = None;
        for word in line.split(' ') {
            if is_macro(word) {
                found.extend(current.take().filter(|words| !words.is_empty()));
                current = (word == name).then(Vec::new);
            } else if let Some(words) = &mut current
                && word.starts_with(char::is_alphanumeric)
            {
                words.push(word.to_owned());
            }
        }
        found.extend(current.filter(|words| !words.is_empty()));
    }
    found
}

fn flags() -> Vec<&'static Flag> {
    APPLETS.iter().flat_map(|applet| applet.flags).collect()
}

fn shown(flag: &Flag) -> String {
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    let short = flag.short.map(|short| format!("-{short}{value}, ")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}

const COMMON: [&str; 2] = ["-h, --help", "-V, --version"];

fn set<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    all.into_iter().collect()
}

#[test]
fn the_applets_and_their_flags_stand_in_taskmaster_1() {
    let page = page("taskmaster.1");
    let names: Vec<String> = items(&page, "APPLETS").iter().map(Item::text).collect();
    assert_eq!(names, APPLETS.iter().map(|applet| applet.name).collect::<Vec<_>>());
    for link in APPLETS.iter().filter_map(|applet| applet.link) {
        assert!(page.contains(&format!(".Nm {link}\n")), "{link}");
    }
    let written = items(&page, "OPTIONS").into_iter().map(|item| item.text());
    let known = flags().into_iter().map(shown).chain(COMMON.map(str::to_owned));
    // Among them stands a list of files.
    let written = written.filter(|text| text.starts_with('-'));
    assert_eq!(set(written), set(known));
}

#[test]
fn the_flags_of_the_shell_stand_in_taskmasterctl_1() {
    let written = items(&page("taskmasterctl.1"), "OPTIONS");
    let shell = APPLETS.iter().find(|applet| applet.name == "shell").unwrap();
    let known = shell.flags.iter().map(shown).chain(COMMON.map(str::to_owned));
    assert_eq!(set(written.iter().map(Item::text)), set(known));
}

#[test]
fn the_commands_with_their_usage_aliases_and_options_stand_in_taskmasterctl_1() {
    let page = page("taskmasterctl.1");
    let items = items(&page, "COMMANDS");
    let (mut commands, mut rest) = (COMMANDS.iter(), items.as_slice());
    while let Some((item, below)) = rest.split_first() {
        let command = commands.next().unwrap_or_else(|| panic!("no command: {}", item.text()));
        let usage = format!("{} {}", command.name, command.usage).replace(['[', ']'], "");
        assert_eq!(item.text().replace(" ...", "..."), usage.trim_end());
        let end = below.iter().position(|item| item.depth == 1).unwrap_or(below.len());
        let (options, next) = below.split_at(end);
        let known = command.options.iter().map(|option| match option.value {
            Some(value) => format!("{} {value}", option.name),
            None => option.name.to_owned(),
        });
        assert_eq!(
            options.iter().map(Item::text).collect::<Vec<_>>(),
            known.collect::<Vec<_>>(),
            "{}",
            command.name
        );
        for alias in command.aliases {
            assert!(item.body.contains(&format!(".Cm {alias}")), "{alias}");
        }
        rest = next;
    }
    assert_eq!(commands.next().map(|command| command.name), None);
}

#[test]
fn no_page_names_a_command_or_flag_that_is_not_there() {
    let applets = APPLETS.iter().map(|applet| applet.name);
    let names = COMMANDS.iter().flat_map(|c| std::iter::once(&c.name).chain(c.aliases)).copied();
    let commands = set(applets.chain(names));
    let options = COMMANDS.iter().flat_map(|c| c.options).map(|o| o.name.trim_start_matches('-'));
    let flags = flags().into_iter().flat_map(|flag| {
        let short = flag.short.map(String::from);
        short.into_iter().chain([flag.long.to_owned()])
    });
    let common = ["h", "help", "V", "version"];
    let flags = set(flags.chain(options.chain(common).map(str::to_owned)));
    for name in PAGES {
        let page = page(name);
        for word in behind(&page, "Cm").concat() {
            assert!(commands.contains(word.as_str()), "{name}: no command {word}");
        }
        for word in behind(&page, "Fl").concat() {
            assert!(flags.contains(&word), "{name}: no flag {word}");
        }
    }
}

/// A configuration without a disk.
struct Text<'a>(&'a str);

impl Files for Text<'_> {
    fn read(&self, _: &Path) -> Result<String, String> {
        Ok(self.0.to_owned())
    }

    fn list(&self, _: &Path) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn vet(&self, _: &Path, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
}

fn load(text: &str) -> Result<Config, Problems> {
    let env = [("HOME", "/home/me"), ("PATH", "/bin")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let surroundings =
        config::Surroundings { root: false, env: env.into(), cwd: PathBuf::from("/srv") };
    config::load(Path::new("/srv/taskmaster.yaml"), &surroundings, &Text(text))
}

/// The names of resource limits, as the error about one that there is not lists them.
fn limits() -> BTreeSet<String> {
    let problems = load("programs: {a: {cmd: a, limits: {qqqqqqqq: 1}}}").unwrap_err().to_string();
    let (_, keys) = problems.split_once("there are ").unwrap_or_else(|| panic!("{problems}"));
    set(keys.lines().next().unwrap().split(", ").map(str::to_owned))
}

fn keys_below(page: &str, section: &str, key: &str) -> BTreeSet<String> {
    let items = items(page, section);
    let start = items.iter().position(|item| item.depth == 1 && item.text() == key).unwrap();
    set(items.iter().skip(start + 1).take_while(|item| item.depth == 2).map(Item::text))
}

#[test]
fn the_keys_stand_in_taskmaster_yaml_5_with_the_mark_of_those_that_restart() {
    let page = page("taskmaster.yaml.5");
    let written = |section| {
        let outer = items(&page, section).into_iter().filter(|item| item.depth == 1);
        set(outer.map(|item| item.words.join(" ")))
    };
    let known = |keys: &[config::Key]| {
        set(keys.iter().map(|key| {
            let alias = key.alias.map(|alias| format!(" Po Ic {alias} Pc")).unwrap_or_default();
            let mark = if key.restarts { " Bq restarts" } else { "" };
            format!("Ic {}{alias}{mark}", key.name)
        }))
    };
    assert_eq!(written("SECTIONS"), known(TOP_KEYS));
    assert_eq!(written("DAEMON KEYS"), known(DAEMON_KEYS));
    assert_eq!(written("PROGRAM KEYS"), known(PROGRAM_KEYS));
    assert_eq!(written("MAIL KEYS"), known(MAIL_KEYS));
    assert_eq!(written("HOOK KEYS"), known(HOOK_KEYS));
    let below = |keys: &[config::Key]| set(keys.iter().map(|key| key.name.to_owned()));
    assert_eq!(keys_below(&page, "DAEMON KEYS", "log"), below(LOG_KEYS));
    assert_eq!(keys_below(&page, "PROGRAM KEYS", "backoff"), below(BACKOFF_KEYS));
    let in_maps = [
        ("depends_on", DEPENDENCY_KEYS),
        ("ready", READY_KEYS),
        ("health", HEALTH_KEYS),
        ("max_restarts", MAX_RESTARTS_KEYS),
    ];
    for (key, keys) in in_maps {
        assert_eq!(keys_below(&page, "PROGRAM KEYS", key), below(keys), "{key}");
    }
    assert_eq!(keys_below(&page, "OUTPUT", "map"), below(CAPTURE_KEYS));
    let limits = limits();
    let limits_item =
        items(&page, "PROGRAM KEYS").into_iter().find(|i| i.text() == "limits restarts");
    let listed = behind(&limits_item.unwrap().body, "Li").concat();
    for limit in limits {
        assert!(listed.contains(&limit), "{limit}");
    }
}

#[test]
fn no_page_names_a_key_that_is_not_there() {
    let inner = LOG_KEYS.iter().chain(BACKOFF_KEYS).chain(CAPTURE_KEYS).chain(DEPENDENCY_KEYS);
    let inner = inner.chain(READY_KEYS).chain(HEALTH_KEYS).chain(MAX_RESTARTS_KEYS);
    let inner = inner.chain(MAIL_KEYS).chain(HOOK_KEYS);
    let all = TOP_KEYS.iter().chain(DAEMON_KEYS).chain(PROGRAM_KEYS).chain(inner);
    let mut known: BTreeSet<String> =
        all.flat_map(|key| [Some(key.name), key.alias]).flatten().map(str::to_owned).collect();
    for (section, keys) in [("daemon", DAEMON_KEYS), ("mail", MAIL_KEYS)] {
        known.extend(keys.iter().map(|key| format!("{section}.{}", key.name)));
    }
    known.extend(COMMANDS.iter().map(|command| command.name.to_owned()));
    let words = APPLETS.iter().map(|applet| applet.name).chain(COMMANDS.iter().map(|c| c.name));
    let words = set(words);
    for name in PAGES {
        for typed in behind(&page(name), "Ic") {
            match typed.as_slice() {
                // What is typed at a system shell.
                [program, word, ..] if program.starts_with("taskmaster") => {
                    assert!(words.contains(word.as_str()), "{name}: {typed:?}");
                }
                keys => {
                    let stray = keys.iter().find(|key| !known.contains(*key));
                    assert_eq!(stray, None, "{name}: {keys:?}");
                }
            }
        }
    }
}

fn state_names() -> Vec<String> {
    StateName::ALL.map(|state| state.as_str().to_owned()).to_vec()
}

fn event_names() -> Vec<String> {
    EventName::ALL.map(|event| event.as_str().to_owned()).to_vec()
}

#[test]
fn the_states_events_and_exit_statuses_stand_in_taskmasterctl_1() {
    let page = page("taskmasterctl.1");
    let texts = |section| items(&page, section).iter().map(Item::text).collect::<Vec<_>>();
    assert_eq!(texts("STATES"), state_names());
    let events = items(&page, "EVENTS");
    let events = events.iter().filter(|item| item.words[0] == "Dv").map(Item::text);
    assert_eq!(events.collect::<Vec<_>>(), event_names());
    assert_eq!(texts("EXIT STATUS"), (0..=7).map(|n| n.to_string()).collect::<Vec<_>>());
    let daemon = items(&self::page("taskmaster.1"), "EXIT STATUS");
    assert_eq!(daemon.iter().map(Item::text).collect::<Vec<_>>(), ["0", "1", "2"]);
    let everywhere = set(state_names().into_iter().chain(event_names()));
    for name in PAGES {
        let signals =
            |word: &String| SIGNALS.iter().any(|(signal, _)| signal == word || word == "SIGKILL");
        for word in behind(&self::page(name), "Dv").concat().iter().filter(|word| !signals(word)) {
            assert!(everywhere.contains(word), "{name}: no state or event {word}");
        }
    }
}

/// One reply of each kind, with every key it may have. The match stops compiling when there is
/// one more.
fn replies() -> Vec<Reply> {
    let text = String::new;
    let all = vec![
        Reply::Status(Row {
            name: text(),
            program: text(),
            index: 0,
            state: StateName::Running,
            pid: None,
            since: None,
            uptime: None,
            restarts: 0,
            exit: None,
            expected: None,
            description: text(),
            lost_bytes: 0,
        }),
        Reply::Detail(DetailRow { about: text(), lines: Vec::new() }),
        Reply::Gone(GoneRow { name: text(), program: text(), index: 0 }),
        Reply::Current(0),
        Reply::Result(ResultRow { name: text(), ok: true, message: text() }),
        Reply::Plan(PlanRow { name: None, action: text() }),
        Reply::Problem(ProblemRow { warning: true, message: text(), excerpt: None }),
        Reply::Pid(PidRow { name: None, pid: None }),
        Reply::Event(EventRow {
            time: text(),
            event: EventName::Running,
            name: None,
            from: None,
            to: None,
            pid: None,
            exit: None,
            expected: None,
            message: text(),
        }),
        // Of the last two of its keys there is always one.
        Reply::Output(OutputRow { name: None, text: Some(text()), hex: Some(text()) }),
        Reply::Text(text()),
        Reply::End(End { exit: 0, error: Some(text()) }),
    ];
    for reply in &all {
        match reply {
            Reply::Detail(_) | Reply::Gone(_) | Reply::Current(_) => {}
            Reply::Status(_) | Reply::Result(_) | Reply::Plan(_) | Reply::Problem(_) => {}
            Reply::Pid(_) | Reply::Event(_) | Reply::Output(_) | Reply::Text(_) => {}
            Reply::End(_) => {}
        }
    }
    all
}

/// A reply's kind, and its keys in the order in which they are sent.
fn kind_and_keys(reply: &Reply) -> (String, Vec<String>) {
    let line = reply.to_line();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    let mut keys: Vec<String> =
        inner.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
    // Behind the kind: `event` is one of its own keys.
    let body = &line[kind.len() + 3..];
    keys.sort_by_key(|key| body.find(&format!("\"{key}\":")));
    (kind.clone(), keys)
}

#[test]
fn the_replies_and_their_keys_stand_in_the_pages() {
    let protocol_page = page("taskmaster-protocol.7");
    let items_there = items(&protocol_page, "REPLIES");
    let kinds = replies().iter().map(kind_and_keys).collect::<Vec<_>>();
    let listed: Vec<String> = items_there.iter().map(Item::text).collect();
    assert_eq!(listed, kinds.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>());
    for (item, (kind, keys)) in items_there.iter().zip(&kinds) {
        let named = behind(&item.body, "Va").concat();
        for key in keys {
            assert!(named.contains(key), "{kind}: {key}");
        }
    }
    let ctl = page("taskmasterctl.1");
    for (section, kind) in [("STATUS", "status"), ("EVENTS", "event")] {
        let fields = items(&ctl, section);
        let fields: Vec<String> =
            fields.iter().filter(|item| item.words[0] == "Va").map(Item::text).collect();
        let (_, keys) = kinds.iter().find(|(name, _)| name == kind).unwrap();
        assert_eq!(&fields, keys, "{section}");
    }
}

#[test]
fn the_numbers_of_the_protocol_stand_in_its_page() {
    let page = page("taskmaster-protocol.7");
    assert!(page.contains(&format!("version {PROTOCOL} of the protocol")));
    assert!(page.contains(&format!(".It {} KiB\nfor a line", LINE_LIMIT / 1024)));
    assert!(page.contains(&format!("than {} MiB", protocol::REPLY_LIMIT / 1024 / 1024)));
}

/// Where a daemon listens that is not told.
fn default_listen() -> String {
    load("programs: {a: {cmd: a}}").unwrap().daemon.listen.to_string()
}

/// The literal blocks of a page, as they are shown.
fn literals(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        if line.starts_with(".Bd -literal") {
            block = Some(String::new());
        } else if line == ".Ed" {
            blocks.extend(block.take());
        } else if let Some(block) = &mut block {
            let _ = writeln!(block, "{}", line.replace("\\&", "").replace("\\e", "\\"));
        }
    }
    blocks
}

#[test]
fn the_examples_of_taskmaster_yaml_5_load() {
    let blocks = literals(&page("taskmaster.yaml.5"));
    let whole = blocks.iter().filter(|block| block.contains("programs:"));
    // One that needs TLS is refused by a build without, and rightly so.
    let whole = whole.filter(|block| cfg!(feature = "tls") || !block.contains("smtps://"));
    let mut count = 0;
    for block in whole.filter(|block| !block.starts_with("taskmaster.yaml:")) {
        let config = load(block).unwrap_or_else(|problems| panic!("{problems}\n{block}"));
        assert_eq!(config.warnings.list, []);
        count += 1;
    }
    assert!(count >= 3, "{count}");
}

#[test]
fn the_sample_loads_without_a_word() {
    let sample = paper("taskmaster.yaml");
    let config = load(&sample).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.warnings.list, []);
    assert_eq!(config.daemon.listen.to_string(), default_listen());
    assert!(sample.lines().count() <= 50);
    // The settings it shows as comments are ones that it could have.
    let shown = sample.replace("# daemon:", "daemon:").replace("#   ", "  ");
    let shown = shown.lines().skip_while(|line| !line.starts_with("daemon:"));
    let shown = shown.collect::<Vec<_>>().join("\n");
    assert!(load(&shown).is_ok(), "{shown}");
    assert_ne!(shown.lines().next(), sample.lines().next());
}

#[test]
fn the_completions_know_every_applet_command_flag_and_signal() {
    for (file, fish) in [
        ("completions/taskmaster.bash", false),
        ("completions/_taskmaster", false),
        ("completions/taskmaster.fish", true),
    ] {
        let text = paper(file);
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let words = set(text.split(|c| !is_part(c)));
        let must_have = |word: &str| assert!(words.contains(word), "{file}: {word}");
        let has_option = |short: Option<char>, long: Option<&str>| {
            if fish {
                let short = short.map(|short| format!("-s {short} ")).unwrap_or_default();
                let long = long.map(|long| format!("-l {long} ")).unwrap_or_default();
                assert!(text.contains(&format!(" {short}{long}")), "{file}: {short}{long}");
            } else {
                short.iter().for_each(|short| must_have(&format!("-{short}")));
                long.iter().for_each(|long| must_have(&format!("--{long}")));
            }
        };
        for applet in APPLETS {
            must_have(applet.name);
            applet.link.iter().for_each(|link| must_have(link));
        }
        flags().iter().for_each(|flag| has_option(flag.short, Some(flag.long)));
        has_option(Some('h'), Some("help"));
        has_option(Some('V'), Some("version"));
        for command in COMMANDS {
            must_have(command.name);
            assert!(!fish || text.contains(&format!("-a {} ", command.name)), "{}", command.name);
            for option in command.options {
                match option.name.strip_prefix("--") {
                    Some(long) => has_option(None, Some(long)),
                    None => has_option(option.name.chars().nth(1), None),
                }
            }
        }
        SIGNALS.iter().for_each(|(name, _)| must_have(name));
    }
}

#[test]
fn the_readme_is_short_and_names_the_commands_that_are_run() {
    let (readme, ci) = (paper("README.md"), paper(".ci/run"));
    assert!(readme.lines().count() <= 200, "{} lines", readme.lines().count());
    for command in ["cargo run --release -- up", "cargo test --locked"] {
        assert!(readme.contains(command), "{command}");
    }
    assert!(page("taskmaster.yaml.5").contains(&default_listen()));
    for command in [
        "cargo fmt --check",
        "cargo clippy --locked --all-targets -- -D warnings",
        "cargo test --locked",
    ] {
        assert!(ci.lines().any(|line| line == command), "{command}");
    }
    let mode = fs::metadata(top(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it can be executed");
    for paper in PAGES.map(|page| format!("man/{page}")) {
        let (_, section) = paper.rsplit_once('.').unwrap();
        assert!(readme.contains(&format!("man/*.{section}")), "{paper}");
    }
}

fn mandoc(args: &[&str], name: &str) -> Option<std::process::Output> {
    Command::new("mandoc").args(args).arg(top("man").join(name)).output().ok()
}

#[test]
fn mandoc_finds_nothing_to_warn_of() {
    for name in PAGES {
        let Some(output) = mandoc(&["-T", "lint", "-W", "warning"], name) else { return };
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && found.is_empty(), "{found}");
    }
}

#[test]
fn the_pages_fit_80_columns() {
    for name in PAGES {
        let Some(output) = mandoc(&["-T", "ascii"], name) else { return };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            // Bold and underlined are a letter, a backspace and a letter.
            let columns = line.chars().count() - 2 * line.matches('\u{8}').count();
            assert!(columns <= 80, "{name}: {line}");
        }
    }
}

/// What a page tells to paste elsewhere runs this program as it can be run.
#[test]
fn what_is_to_be_pasted_calls_applets_and_commands_that_are_there() {
    let words = set(APPLETS.iter().map(|a| a.name).chain(COMMANDS.iter().map(|c| c.name)));
    let page = page("taskmaster.1");
    let pasted: Vec<&str> = page.split("/bin/taskmaster ").skip(1).collect();
    assert!(pasted.len() >= 6, "{}", pasted.len());
    for rest in pasted {
        let word = rest.split_whitespace().next().unwrap();
        assert!(words.contains(word), "{word}");
    }
    // An init must wait longer than the daemon does by default.
    let shutdown_time = load("programs: {}").unwrap().daemon.shutdown_time.as_secs();
    let wait = page.split_once("TimeoutStopSec=").unwrap().1.lines().next().unwrap();
    assert!(wait.parse::<u64>().unwrap() > shutdown_time, "{wait}");
    assert!(page.contains(&format!("retry=TERM/{wait}/KILL/")), "{wait}");
}

/// Every source file of the program and its tests, by the path of its module, with its text.
fn sources() -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![top("src"), top("tests/it")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.with_extension("");
                let base = [top("src"), top("tests/it")];
                let name = base.iter().find_map(|base| path.strip_prefix(base).ok()).unwrap();
                found.push((name.to_string_lossy().replace('/', "::"), text));
            }
        }
    }
    found
}

#[test]
fn what_is_feared_is_held_by_tests_that_are_there() {
    let sources = sources();
    let is_test = |name: &str| {
        let (module, test) = name.rsplit_once("::").unwrap();
        sources.iter().any(|(file, text)| {
            let marked = ["#[test]\nfn ", "#[test]\n    fn "].map(|mark| format!("{mark}{test}("));
            file == module && marked.iter().any(|mark| text.contains(mark))
        })
    };
    let page = page("taskmaster-security.7");
    let fears: Vec<&str> = page.split("\n.It ").skip(1).collect();
    assert!(fears.len() > 15, "{}", fears.len());
    for fear in fears {
        let fear = fear.split("\n.El").next().unwrap();
        let tests = fear.split_once(".Bd -literal\n").map_or("", |(_, tests)| tests);
        let tests: Vec<&str> = tests.lines().take_while(|line| *line != ".Ed").collect();
        assert!(!tests.is_empty(), "nothing holds: {fear}");
        for test in tests {
            assert!(is_test(test), "no such test: {test}");
        }
    }
}
