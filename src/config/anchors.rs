//! Anchors that are set twice and referred to.
//!
//! YAML lets an anchor be set anew, but serde_yaml then mixes it up with others, without
//! a word: an alias can come out as a wholly different value. So they are refused, by a
//! look at the text alone; what merely looks like an anchor has to come twice, and be
//! referred to, to be taken for one.

use std::collections::HashSet;

/// The name, line and column (from 1) of the first anchor that was set before and has
/// an alias somewhere.
pub(super) fn set_twice(text: &str) -> Option<(&str, usize, usize)> {
    let aliases: HashSet<&str> = marked(text, '*').map(|mark| mark.name).collect();
    let mut seen = HashSet::new();
    let twice = marked(text, '&')
        .filter(|anchor| aliases.contains(anchor.name))
        .find(|anchor| !seen.insert(anchor.name))?;
    Some((twice.name, twice.line, twice.before.chars().count() + 1))
}

struct Mark<'t> {
    name: &'t str,
    line: usize,
    /// What stands before it in its line.
    before: &'t str,
}

/// The words behind a `&` or `*` that stands where YAML takes it for an indicator.
fn marked(text: &str, indicator: char) -> impl Iterator<Item = Mark<'_>> {
    text.lines().enumerate().flat_map(move |(number, line)| {
        line.match_indices(indicator).filter_map(move |(at, _)| {
            let (before, behind) = (line.get(..at)?, line.get(at + 1..)?);
            let leads = before.trim_end().chars().next_back();
            let apart = before.chars().next_back().is_none_or(|c| " \t[{,".contains(c));
            if !apart || leads.is_some_and(|letter| !":-,[{?".contains(letter)) {
                return None;
            }
            let name = behind.split(|c: char| c.is_whitespace() || ",[]{}".contains(c)).next()?;
            (!name.is_empty()).then_some(Mark { name, line: number + 1, before })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::set_twice;

    #[test]
    fn an_anchor_set_anew_and_referred_to_is_found() {
        assert_eq!(set_twice("a: &x 1\nb: &x 2\nc: *x\n"), Some(("x", 2, 4)));
        assert_eq!(set_twice("- &x 1\n- [*x, &x 2]"), Some(("x", 2, 8)));
    }

    #[test]
    fn others_are_none_of_our_business() {
        for text in [
            "a: &x 1\nb: *x\nc: *x\n",
            "a: &x 1\nb: &x 2\n",
            "a: &x 1\nb: &y 2\nc: [*x, *y]\n",
            "a: sh -c 'one &x two &x *x'\nb: x&x *x\n",
        ] {
            assert_eq!(set_twice(text), None, "{text}");
        }
    }
}
