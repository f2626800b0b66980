//! What can be typed (applets, flags, commands, signals): in the manual pages and the completions.

use super::mdoc::{Item, behind, items};
use super::{PAGES, load, page, paper, set};
use crate::cli::{APPLETS, Flag};
use crate::config::SIGNALS;
use crate::protocol::COMMANDS;

fn flags() -> Vec<&'static Flag> {
    APPLETS.iter().flat_map(|applet| applet.flags).collect()
}

fn shown(flag: &Flag) -> String {
    let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
    let short = flag.short.map(|short| format!("-{short}{value}, ")).unwrap_or_default();
    format!("{short}--{}{value}", flag.long)
}

const COMMON: [&str; 2] = ["-h, --help", "-V, --version"];

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
