//! Patterns of `*` (any run of characters) and `?` (any one): of files, and of names.

/// Whether `pattern` with its `*` and `?` covers all of `text`, in linear space and without
/// recursion: only the last `*` is ever widened.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut last_star = None;
    loop {
        let mut rest = pattern.clone();
        match (rest.next(), text.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                last_star = Some((rest.clone(), text.clone()));
                pattern = rest;
                continue;
            }
            (Some(want), Some(have)) if want == '?' || want == have => {
                pattern = rest;
                text.next();
                continue;
            }
            _ => {}
        }
        let Some((after_star, mut from)) = last_star.take() else { return false };
        if from.next().is_none() {
            return false;
        }
        pattern = after_star.clone();
        text = from.clone();
        last_star = Some((after_star, from));
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns() {
        for (pattern, text, covers) in [
            ("web*", "web", true),
            ("web*", "web:1", true),
            ("*:0", "web:0", true),
            ("*:0", "web:10", false),
            ("w?b", "wéb", true),
            ("w?b", "wb", false),
            ("*a*b*", "xxaxxb", true),
            ("*a*b*", "xxbxxa", false),
            ("**", "", true),
            ("?", "", false),
        ] {
            assert_eq!(glob(pattern, text), covers, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_exponential_time() {
        assert!(!glob(&"a*".repeat(500), &"a".repeat(400)));
    }
}
