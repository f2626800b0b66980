//! Tab: what can stand where the cursor is.

use std::sync::{Arc, Mutex, PoisonError};

use linefeed::complete::{Completer, Completion};
use linefeed::prompter::Prompter;

use super::link::Link;
use super::terminal::Console;
use crate::config::SIGNALS;
use crate::protocol::{COMMANDS, Command, Opt, Takes, find_command};

/// Completes what is typed at the prompt, with the names that the daemon has now.
pub(super) struct Tab {
    /// Where the names come from.
    pub(super) link: Arc<Mutex<Link>>,
}

impl Completer<Console> for Tab {
    fn complete(
        &self,
        word: &str,
        prompter: &Prompter<'_, '_, Console>,
        start: usize,
        _: usize,
    ) -> Option<Vec<Completion>> {
        let before = prompter.buffer().get(..start)?;
        let names = || self.link.lock().unwrap_or_else(PoisonError::into_inner).names();
        Some(candidates(before, word, names).into_iter().map(Completion::simple).collect())
    }

    /// Names hold `:`, `-` and `*`: only blanks part words here.
    fn word_start(&self, line: &str, end: usize, _: &Prompter<'_, '_, Console>) -> usize {
        let before = line.get(..end).unwrap_or(line);
        before.rfind(char::is_whitespace).map_or(0, |at| {
            at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        })
    }
}

/// The words that begin with `word` and may follow `before`. The daemon is asked for
/// names only where one may stand.
fn candidates(before: &str, word: &str, names: impl FnOnce() -> Vec<String>) -> Vec<String> {
    let mut typed = before.split_whitespace();
    let Some(command) = typed.next() else {
        return first_words(word);
    };
    let Some(command) = find_command(command) else { return Vec::new() };
    let typed = Typed::read(command, typed);
    if let Some(option) = typed.open {
        return beginning(word, values(option));
    }
    if word.starts_with('-') && !typed.only_plain {
        return match word.split_once('=') {
            Some((name, _)) => inline_values(command, word, name),
            None => beginning(word, options(command, &typed.options)),
        };
    }
    match (command.takes, typed.plain.len()) {
        (Takes::Nothing, _) if !typed.only_plain => {
            beginning(word, options(command, &typed.options))
        }
        (Takes::CommandName, 0) => beginning(word, COMMANDS.iter().map(|c| c.name)),
        (Takes::Nothing | Takes::CommandName, _) => Vec::new(),
        (Takes::SignalAndProcesses, 0) => beginning(word, signals(word)),
        (Takes::ProcessAndStream, 1) => beginning(word, ["stdout", "stderr"]),
        (Takes::ProcessAndStream, 2..) => Vec::new(),
        (
            Takes::SignalAndProcesses
            | Takes::Processes
            | Takes::SomeProcesses
            | Takes::ProcessAndStream,
            _,
        ) => {
            let mut names = names();
            names.push("all".to_owned());
            names.retain(|name| !typed.plain.contains(&name.as_str()));
            beginning(word, names)
        }
    }
}

/// The words between a command and the cursor, sorted as the command will.
#[derive(Default)]
struct Typed<'w> {
    options: Vec<&'w str>,
    plain: Vec<&'w str>,
    /// The last of them is an option that wants a value.
    open: Option<&'static Opt>,
    /// Two dashes have ended the options.
    only_plain: bool,
}

impl<'w> Typed<'w> {
    fn read(command: &'static Command, words: impl Iterator<Item = &'w str>) -> Self {
        let mut typed = Self::default();
        for word in words {
            if typed.open.take().is_some() {
                continue;
            }
            match word {
                _ if typed.only_plain || !word.starts_with('-') => typed.plain.push(word),
                "--" => typed.only_plain = true,
                _ => {
                    typed.options.push(word.split_once('=').map_or(word, |(name, _)| name));
                    let known = command.options.iter().find(|option| option.name == word);
                    typed.open = known.filter(|option| option.value.is_some());
                }
            }
        }
        typed
    }
}

/// What one might want as the value of an option.
fn values(option: &Opt) -> &'static [&'static str] {
    match option.value {
        Some("T") => &["5s", "30s", "1m", "10m"],
        Some("LINES") => &["0", "10", "100", "1000"],
        _ => &[],
    }
}

/// The same for one that is written with `=`.
fn inline_values(command: &Command, word: &str, name: &str) -> Vec<String> {
    let option = command.options.iter().find(|option| option.name == name);
    let values = option.map_or(&[][..], values).iter();
    beginning(word, values.map(|value| format!("{name}={value}")))
}

/// Commands; other names for them only where none begins so.
fn first_words(word: &str) -> Vec<String> {
    let names = beginning(word, COMMANDS.iter().map(|command| command.name));
    if names.is_empty() {
        return beginning(word, COMMANDS.iter().flat_map(|command| command.aliases).copied());
    }
    names
}

/// The options not given yet.
fn options(command: &Command, typed: &[&str]) -> Vec<&'static str> {
    command.options.iter().map(|option| option.name).filter(|name| !typed.contains(name)).collect()
}

/// Names of signals, written as the word has begun: with SIG or without.
fn signals(word: &str) -> Vec<String> {
    let prefix =
        if word.get(..3).is_some_and(|sig| sig.eq_ignore_ascii_case("sig")) { "SIG" } else { "" };
    let names = SIGNALS.iter().map(|(name, _)| format!("{prefix}{name}"));
    if word.chars().any(|letter| letter.is_ascii_lowercase()) {
        return names.map(|name| name.to_ascii_lowercase()).collect();
    }
    names.collect()
}

fn beginning<T: ToString>(word: &str, all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter()
        .map(|candidate| candidate.to_string())
        .filter(|candidate| candidate.starts_with(word))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let (before, word) = line.split_at(line.rfind(' ').map_or(0, |at| at + 1));
        candidates(before, word, || ["api", "web", "web:0", "web:1"].map(str::to_owned).into())
    }

    #[test]
    fn the_first_word_is_a_command() {
        assert_eq!(complete("st"), ["status", "start", "stop"]);
        assert_eq!(complete("upd"), ["update"]);
        assert_eq!(complete("").len(), COMMANDS.len());
        assert!(complete("nonsense we").is_empty());
    }

    #[test]
    fn processes_follow_where_a_command_takes_them() {
        assert_eq!(complete("start w"), ["web", "web:0", "web:1"]);
        assert_eq!(complete("start web web:0 w"), ["web:1"]);
        assert_eq!(complete("status "), ["api", "web", "web:0", "web:1", "all"]);
        assert!(complete("version ").is_empty());
    }

    #[test]
    fn options_are_offered_once_and_values_behind_those_that_take_one() {
        assert_eq!(complete("start --"), ["--no-wait", "--timeout"]);
        assert_eq!(complete("start --no-wait --"), ["--timeout"]);
        assert_eq!(complete("start --timeout 1"), ["1m", "10m"].map(str::to_owned));
        assert_eq!(complete("start --timeout=3"), ["--timeout=30s"]);
        assert!(complete("start --no-wait=").is_empty());
        assert_eq!(complete("start --timeout 1m a"), ["api", "all"]);
        assert_eq!(complete("tail -n 5 a"), ["api", "all"]);
        assert_eq!(complete("tail -n 5 web std"), ["stdout", "stderr"]);
        assert!(complete("tail web stdout ").is_empty());
        assert!(complete("start -- --").is_empty());
        assert_eq!(complete("reload "), ["--dry-run"]);
    }

    #[test]
    fn signals_and_topics() {
        assert!(complete("signal HU").contains(&"HUP".to_owned()));
        assert!(complete("signal hu").contains(&"hup".to_owned()));
        assert!(complete("signal SIGHU").contains(&"SIGHUP".to_owned()));
        assert_eq!(complete("signal HUP a"), ["api", "all"]);
        assert_eq!(complete("help ev"), ["events"]);
        assert!(complete("help events ").is_empty());
    }
}
