//! Text laid out for mail: 72 columns, and nothing in it but what can be read.

/// Columns of a line at most.
pub(super) const WIDTH: usize = 72;

/// A text on one line, what is no letter made visible: nothing that programs are called or print
/// can end a line, or do anything else.
pub(super) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\t' => cleaned.push(' '),
            _ if is_harmless(letter) => cleaned.push(letter),
            _ => cleaned.extend(letter.escape_default()),
        }
    }
    cleaned
}

/// Whether a letter is shown where it stands and does nothing else.
fn is_harmless(letter: char) -> bool {
    let reorders = matches!(letter,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !letter.is_control() && !reorders
}

/// At most so many letters, with dots for the rest.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(3)).chain("...".chars()).collect(),
    }
}

/// A cleaned text in lines of [`WIDTH`]: the first behind `first`, the others behind as
/// many blanks. Breaks at blanks, and within words that are longer than a line.
pub(super) fn wrap(first: &str, text: &str) -> String {
    let hang = first.chars().count();
    let room = WIDTH.saturating_sub(hang).max(1);
    let mut lines: Vec<String> = vec![String::new()];
    let mut width = 0;
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        let fits = width == 0 || width + 1 + length <= room;
        if !fits {
            lines.push(String::new());
            width = 0;
        }
        for (number, piece) in pieces(word, room).into_iter().enumerate() {
            if number > 0 {
                lines.push(String::new());
                width = 0;
            }
            if let Some(line) = lines.last_mut() {
                if width > 0 {
                    line.push(' ');
                    width += 1;
                }
                line.push_str(&piece);
                width += piece.chars().count();
            }
        }
    }
    indented(first, &lines)
}

/// A line that a program has printed in lines of [`WIDTH`], `most` of them at most. Its beginning
/// stands where it stood; what is continued is set in, and broken at blanks where there are any.
pub(super) fn verbatim(text: &str, most: usize) -> String {
    const FIRST: &str = "  ";
    const REST: &str = "      ";
    let text = cut(&clean(text), (WIDTH - REST.len()) * most);
    let (mut laid_out, mut rest, mut indent) = (String::new(), text.trim_end(), FIRST);
    loop {
        let (line, behind) = broken(rest, WIDTH - indent.len());
        laid_out.push_str(format!("{indent}{line}").trim_end());
        laid_out.push('\n');
        rest = behind.trim_start();
        indent = REST;
        if rest.is_empty() {
            return laid_out;
        }
    }
}

/// As much as fits into so many columns, up to a blank if one is in the second half; and the rest.
fn broken(text: &str, room: usize) -> (&str, &str) {
    let Some((end, _)) = text.char_indices().nth(room) else { return (text, "") };
    let (line, _) = text.split_at(end);
    let blank = line.rfind(' ').filter(|at| *at > line.len() / 2);
    text.split_at(blank.unwrap_or(end))
}

fn indented(first: &str, lines: &[String]) -> String {
    let hang = " ".repeat(first.chars().count());
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let before = if number == 0 { first } else { &hang };
        text.push_str(format!("{before}{line}").trim_end());
        text.push('\n');
    }
    text
}

/// A text in pieces of so many letters; one of nothing for nothing.
fn pieces(text: &str, most: usize) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.is_empty() {
        return vec![String::new()];
    }
    letters.chunks(most).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_hang() {
        let text = wrap("  why   ", &"word ".repeat(30));
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.starts_with("  why   word word") && text.contains("\n        word"), "{text}");
        assert_eq!(text.matches("word").count(), 30);
        assert_eq!(wrap("a", ""), "a\n");
    }

    #[test]
    fn a_word_longer_than_a_line_is_broken_and_loses_nothing() {
        let text = wrap("  ", &"x".repeat(1000));
        assert!(text.lines().all(|line| line.len() <= WIDTH));
        assert_eq!(text.matches('x').count(), 1000);
    }

    #[test]
    fn what_programs_print_stays_on_its_line_and_is_cut() {
        assert_eq!(verbatim("  a  b\r\n\0\u{1b}[31m", 5), "    a  b\\r\\n\\u{0}\\u{1b}[31m\n");
        let long = verbatim(&"y".repeat(10 << 20), 3);
        assert!(long.len() < 300 && long.ends_with("...\n"), "{long}");
        assert_eq!(verbatim("", 5), "\n");
        let words = verbatim(&"word ".repeat(20), 5);
        assert!(
            words.contains("word\n      word") && words.matches("word").count() == 20,
            "{words}"
        );
        assert_eq!(clean("\u{202e}evil"), "\\u{202e}evil");
    }
}
