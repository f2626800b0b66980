//! What can be typed, from the table of commands.

use super::text::pad;
use crate::protocol::{COMMANDS, Command, find_command};

/// The list of all commands, or all about one of them.
pub(super) fn text(command: Option<&str>) -> String {
    match command.and_then(find_command) {
        Some(command) => one(command),
        None => all(),
    }
}

fn all() -> String {
    let lines: Vec<_> = COMMANDS
        .iter()
        .map(|command| (format!("{} {}", command.name, arguments(command)), command.summary))
        .collect();
    let listed = columns("Commands", &lines);
    format!(
        "{listed}\n\
         SEL is a program (web), a process of it (web:1), a pattern (web*, *:0) or all.\n\
         Tab completes, Ctrl-C ends what waits or follows, Ctrl-D leaves.\n\
         help COMMAND tells the options of one.\n"
    )
}

fn one(command: &Command) -> String {
    let mut text = format!("{}\n\n  {}\n", usage(command), command.summary);
    if !command.aliases.is_empty() {
        text += &format!("\nAlso called: {}\n", command.aliases.join(", "));
    }
    if !command.options.is_empty() {
        let option = |option: &crate::protocol::Opt| match option.value {
            Some(value) => format!("{} {value}", option.name),
            None => option.name.to_owned(),
        };
        let lines: Vec<_> =
            command.options.iter().map(|known| (option(known), known.summary)).collect();
        text.push('\n');
        text += &columns("Options", &lines);
    }
    text
}

fn usage(command: &Command) -> String {
    format!("{} {}", command.name, command.usage).trim_end().to_owned()
}

/// The usage less its options, for which the list has no room in 80 columns.
fn arguments(command: &Command) -> String {
    let (mut text, mut rest) = (String::new(), command.usage);
    while let Some((before, option)) = rest.split_once("[-") {
        text += before;
        rest = option.split_once(']').map_or("", |(_, rest)| rest);
    }
    text += rest;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn columns(heading: &str, lines: &[(String, &str)]) -> String {
    let widest = lines.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    lines.iter().fold(format!("{heading}:\n"), |text, (left, right)| {
        text + &format!("  {}  {right}\n", pad(left, widest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_tells_of_every_command_and_option() {
        let all = text(None);
        for command in COMMANDS {
            assert!(all.contains(&format!("\n  {} ", command.name)), "{all}");
            assert!(all.contains(command.summary), "{all}");
            let one = text(Some(command.name));
            assert!(one.starts_with(&usage(command)), "{one}");
            for option in command.options {
                assert!(one.contains(option.name) && one.contains(option.summary), "{one}");
            }
        }
        assert!(text(Some("update")).starts_with("reload [--dry-run]\n"));
    }

    #[test]
    fn help_fits_eighty_columns() {
        for text in COMMANDS.iter().map(|command| text(Some(command.name))).chain([text(None)]) {
            assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        }
        let list = text(None);
        assert!(list.contains("\n  signal SIG SEL...  ") && !list.contains("--"), "{list}");
    }
}
