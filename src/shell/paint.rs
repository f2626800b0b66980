//! Colour, where it is wanted.

use std::collections::BTreeMap;

use crate::supervisor::StateName;

/// The colours that the shell uses. Each can be read on black and on white, which yellow, blue
/// and cyan cannot be in the palettes of many terminals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// The terminal's own.
    Plain,
    /// As it should be.
    Green,
    /// On its way.
    Magenta,
    /// Wrong.
    Red,
    /// Of no interest now.
    Dim,
    /// To be seen first.
    Bold,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// Colours on a terminal that can, unless NO_COLOR (<https://no-color.org>) objects.
    pub(super) fn new(terminal: bool, env: &BTreeMap<String, String>) -> Self {
        let no_color = env.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env.get("TERM").is_some_and(|term| term == "dumb");
        Self(terminal && !no_color && !dumb)
    }

    /// The text in this colour.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Plain => return text.to_owned(),
            Colour::Green => "32",
            Colour::Magenta => "35",
            Colour::Red => "31",
            Colour::Dim => "2",
            Colour::Bold => "1",
        };
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The colour of a state, given whether the process's last end was expected.
pub(super) fn of_state(state: StateName, expected: Option<bool>) -> Colour {
    match state {
        StateName::Running => Colour::Green,
        StateName::Waiting | StateName::Starting | StateName::Stopping | StateName::Backoff => {
            Colour::Magenta
        }
        StateName::Fatal => Colour::Red,
        StateName::Exited if expected == Some(false) => Colour::Red,
        StateName::Exited => Colour::Plain,
        StateName::Stopped => Colour::Dim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_dumb_terminals_get_plain_text() {
        let env = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let red = |terminal, env| Paint::new(terminal, &env).paint(Colour::Red, "x");
        assert_eq!(red(true, BTreeMap::new()), "\x1b[31mx\x1b[0m");
        assert_eq!(red(true, env("NO_COLOR", "")), "\x1b[31mx\x1b[0m");
        assert_eq!(red(true, env("NO_COLOR", "1")), "x");
        assert_eq!(red(true, env("TERM", "dumb")), "x");
        assert_eq!(red(false, BTreeMap::new()), "x");
    }
}
