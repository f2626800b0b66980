//! Env files: lines of `KEY=value`, as they are read at each start of a process.

use super::source::without_mark;

/// The names and values of an env file, in its order.
///
/// Lines that are blank or begin with `#` are passed over. One pair of quotes, single
/// or double, around a value is removed; nothing is expanded. The error names the line
/// and what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (number, line) in without_mark(text).lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = pair(line).map_err(|why| format!("line {}: {why}", number + 1))?;
        pairs.push((name.to_owned(), value.to_owned()));
    }
    Ok(pairs)
}

fn pair(line: &str) -> Result<(&str, &str), &'static str> {
    let Some((name, value)) = line.split_once('=') else {
        return Err("has no `=`; it must be KEY=value");
    };
    let (name, value) = (name.trim_end(), value.trim_start());
    if name.is_empty() {
        return Err("has no name before the `=`");
    }
    if name.starts_with("export ") {
        return Err("begins with `export`; remove it, no shell reads this");
    }
    if name.contains(char::is_whitespace) {
        return Err("has a space in the name");
    }
    if line.contains('\0') {
        return Err("holds a NUL byte");
    }
    Ok((name, unquoted(value)?))
}

fn unquoted(value: &str) -> Result<&str, &'static str> {
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
            .ok_or("has a quote that does not end with the line"),
        _ => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap()
    }

    #[test]
    fn lines_are_names_and_values() {
        let text = "# who\nA=1\n\n  B = two words \nC=\"  kept  \"\nD='$A #x'\nE=\nF=a=b\n";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "  kept  "),
            ("D", "$A #x"),
            ("E", ""),
            ("F", "a=b"),
        ];
        assert_eq!(pairs(text), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn only_the_outer_quotes_go() {
        assert_eq!(pairs("A='\"x\"'")[0].1, "\"x\"");
        assert_eq!(pairs("A=it's")[0].1, "it's");
        assert_eq!(pairs("A=\"\"")[0].1, "");
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        assert_eq!(
            pairs("A=1\r\nB=\"2\"\r\n"),
            [("A", "1"), ("B", "2")].map(|(n, v)| (n.into(), v.into()))
        );
    }

    #[test]
    fn they_may_begin_as_on_windows() {
        assert_eq!(
            pairs("\u{feff}A=1\nB=\u{feff}"),
            [("A", "1"), ("B", "\u{feff}")].map(|(n, v)| (n.into(), v.into()))
        );
        assert_eq!(pairs("\u{feff}# A=1\n"), []);
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, why) in [
            ("A=1\nB", "line 2: has no `=`; it must be KEY=value"),
            ("=x", "line 1: has no name before the `=`"),
            ("export A=1", "line 1: begins with `export`; remove it, no shell reads this"),
            ("A B=1", "line 1: has a space in the name"),
            ("\nA=\"x", "line 2: has a quote that does not end with the line"),
            ("A='", "line 1: has a quote that does not end with the line"),
            ("A=\0", "line 1: holds a NUL byte"),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()));
        }
    }
}
