//! Which files are rotated, and for whom: no two streams share one, and none is written where
//! another's old ones go.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::values::shown;

/// The files that are rotated.
#[derive(Debug, Default)]
pub(super) struct Rotated(BTreeMap<String, Claim>);

/// Who a file is rotated for, and how many old ones there may be: `FILE.1` to `FILE.keep`.
#[derive(Debug)]
struct Claim {
    whose: String,
    keep: u32,
}

impl Rotated {
    /// Whose this file is from now on. The error says in what it is another's already.
    pub(super) fn claim(&mut self, file: &str, keep: u32, whose: String) -> Result<(), String> {
        let clash = self.clash(file, keep);
        self.0.entry(file.to_owned()).or_insert(Claim { whose, keep });
        match clash {
            None => Ok(()),
            Some(why) => Err(why),
        }
    }

    fn clash(&self, file: &str, keep: u32) -> Option<String> {
        if let Some(first) = self.0.get(file) {
            return Some(format!(
                "{} is rotated for {} already; ${{name}} in it gives each process a file of its own",
                shown(file),
                first.whose
            ));
        }
        if let Some((young, number)) = old(file)
            && let Some(first) = self.0.get(young)
            && number <= first.keep
        {
            return Some(format!(
                "{} is an old file of {}, which is rotated for {} already",
                shown(file),
                shown(young),
                first.whose
            ));
        }
        let start = format!("{file}.");
        let behind = self.0.range(start.clone()..);
        let mut alike = behind.take_while(|(other, _)| other.starts_with(&start));
        let is_old = |other: &str| old(other).is_some_and(|(y, n)| y == file && n <= keep);
        let (other, first) = alike.find(|(other, _)| is_old(other))?;
        Some(format!(
            "{} has {} as an old file, which is rotated for {} already",
            shown(file),
            shown(other),
            first.whose
        ))
    }
}

/// What an old file was called when it was young, and its number.
pub(super) fn old(file: &str) -> Option<(&str, u32)> {
    let (young, number) = file.rsplit_once('.')?;
    let is_written = |n: &u32| *n > 0 && n.to_string() == number;
    number.parse().ok().filter(is_written).map(|number| (young, number))
}

/// One spelling for each file, by name alone: `./x` and `y/../x` are `x`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_one_streams_and_so_are_its_old_ones() {
        let mut rotated = Rotated::default();
        let mut claim = |file: &str, keep, whose: &str| rotated.claim(file, keep, whose.to_owned());
        assert_eq!(claim("/x.log", 2, "a's stdout"), Ok(()));
        for other in ["/x.log.3", "/x.log.0", "/x.log.01", "/x.log.gz", "/x.logs.1", "/x"] {
            assert_eq!(claim(other, 2, "b's stdout"), Ok(()), "{other}");
        }
        let why = claim("/x.log", 2, "c's stdout").unwrap_err();
        assert!(why.starts_with("/x.log is rotated for a's stdout already; "), "{why}");
        assert_eq!(
            claim("/x.log.2", 0, "c's stdout").unwrap_err(),
            "/x.log.2 is an old file of /x.log, which is rotated for a's stdout already"
        );
        assert_eq!(claim("/y.log.5", 0, "d's stdout"), Ok(()));
        assert_eq!(claim("/y.log-", 0, "e's stdout"), Ok(()));
        assert_eq!(
            claim("/y.log", 5, "f's stdout").unwrap_err(),
            "/y.log has /y.log.5 as an old file, which is rotated for d's stdout already"
        );
    }

    #[test]
    fn a_file_has_one_spelling() {
        for (path, one) in
            [("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/../b", "/b"), ("/a//b/", "/a/b")]
        {
            assert_eq!(plain(Path::new(path)), Path::new(one), "{path}");
        }
    }
}
