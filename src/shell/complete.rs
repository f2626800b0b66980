//! Tab: what can stand where the cursor is.

use std::sync::{Arc, Mutex, PoisonError};

use linefeed::complete::{Completer, Completion};
use linefeed::prompter::Prompter;

use super::link::Link;
use super::terminal::Console;
use crate::config::SIGNALS;
use crate::protocol::{COMMANDS, Command, Takes, find_command};

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
    let typed: Vec<&str> = typed.collect();
    let takes_value = |word: &&str| {
        command.options.iter().any(|option| option.value.is_some() && option.name == *word)
    };
    if typed.last().is_some_and(takes_value) {
        return Vec::new();
    }
    if word.starts_with('-') {
        return beginning(word, options(command, &typed));
    }
    let plain = typed.iter().filter(|word| !word.starts_with('-')).count();
    match command.takes {
        Takes::Nothing => beginning(word, options(command, &typed)),
        Takes::CommandName if plain == 0 => beginning(word, COMMANDS.iter().map(|c| c.name)),
        Takes::CommandName => Vec::new(),
        Takes::SignalAndProcesses if plain == 0 => beginning(word, signals(word)),
        Takes::ProcessAndStream if plain == 1 => beginning(word, ["stdout", "stderr"]),
        Takes::ProcessAndStream if plain > 1 => Vec::new(),
        Takes::SignalAndProcesses
        | Takes::Processes
        | Takes::SomeProcesses
        | Takes::ProcessAndStream => {
            let mut names = names();
            names.push("all".to_owned());
            names.retain(|name| !typed.contains(&name.as_str()));
            beginning(word, names)
        }
    }
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

fn beginning<T: Into<String>>(word: &str, all: impl IntoIterator<Item = T>) -> Vec<String> {
    all.into_iter().map(Into::into).filter(|candidate| candidate.starts_with(word)).collect()
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
    fn options_are_offered_once_and_their_values_not_at_all() {
        assert_eq!(complete("start --"), ["--no-wait", "--timeout"]);
        assert_eq!(complete("start --no-wait --"), ["--timeout"]);
        assert!(complete("start --timeout ").is_empty());
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
