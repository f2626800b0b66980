//! Near misses: the word that was probably meant.

/// The candidate nearest to a word that is none of them, if one is near enough to ask
/// "did you mean it?".
///
/// Near is a third of the longer one's letters, at least one, mistyped, missing, added or
/// swapped, in any case; or else a candidate that a word of three letters begins or one of
/// four ends, or that itself, with four letters, begins or ends the word.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        let allowed = (word.len().max(letters.len()) / 3).max(1);
        let within = (word.len() >= 3 && letters.starts_with(&word))
            || (word.len() >= 4 && letters.ends_with(&word))
            || (letters.len() >= 4 && (word.starts_with(&letters) || word.ends_with(&letters)));
        let misses = (letters.len().abs_diff(word.len()) <= allowed)
            .then(|| distance(&word, &letters))
            .filter(|misses| *misses <= allowed && *misses < word.len());
        // Parts rank behind misses, the shortest candidate first.
        let rank = misses.or_else(|| within.then(|| LONGEST + letters.len()));
        if let Some(rank) = rank
            && best.is_none_or(|(least, _)| rank < least)
        {
            best = Some((rank, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Nobody mistypes longer words.
const LONGEST: usize = 64;

/// Letters mistyped, missing, added, or swapped with their neighbour (Damerau and
/// Levenshtein's distance, each letter touched once).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before = None;
    for (done, &letter) in left.iter().enumerate() {
        let mut next = vec![done + 1];
        let mut previous = None;
        for (column, &other) in right.iter().enumerate() {
            let mut least = at(&row, column) + usize::from(letter != other);
            least = least.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            if before == Some(other) && previous == Some(letter) {
                least = least.min(at(&above, column.wrapping_sub(1)) + 1);
            }
            next.push(least);
            previous = Some(other);
        }
        above = std::mem::replace(&mut row, next);
        before = Some(letter);
    }
    at(&row, right.len())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KEYS: [&str; 6] = ["numprocs", "autostart", "autorestart", "stdout", "cmd", "user"];

    #[test]
    fn a_slip_of_the_finger_finds_the_word() {
        for (word, meant) in [
            ("numproc", "numprocs"),
            ("nmuprocs", "numprocs"),
            ("NumProcs", "numprocs"),
            ("autostrat", "autostart"),
            ("std_out", "stdout"),
            ("cmdd", "cmd"),
            ("usre", "user"),
            ("num", "numprocs"),
            ("procs", "numprocs"),
            ("userid", "user"),
            ("to_stdout", "stdout"),
        ] {
            assert_eq!(nearest(word, KEYS), Some(meant), "{word}");
        }
    }

    #[test]
    fn what_is_far_finds_nothing() {
        for word in ["", "x", "depends_on", "health", "au", &"n".repeat(1_000_000)] {
            assert_eq!(nearest(word, KEYS), None);
        }
    }

    #[test]
    fn the_nearest_of_several_wins() {
        assert_eq!(nearest("autorestrt", KEYS), Some("autorestart"));
        assert_eq!(nearest("web2", ["web1", "wet", "web"]), Some("web1"));
        assert_eq!(nearest("auto", KEYS), Some("autostart"), "the shortest it begins");
    }
}
