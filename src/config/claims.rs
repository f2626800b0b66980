//! Which files are written, by whom and how: any number may append to one, but what is rotated or
//! captured is one stream's alone, and nothing else is written where its old files go.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::values::shown;

/// The files that are written.
#[derive(Debug, Default)]
pub(super) struct Claims(BTreeMap<String, Claim>);

/// Who writes a file, and how.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) writer: Writer,
    pub(super) way: Way,
}

#[derive(Debug, PartialEq)]
pub(super) enum Writer {
    /// The daemon, its own log.
    Daemon,
    Stream {
        process: String,
        stream: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// By one that leaves it where it is and others' lines alone.
    Appended,
    /// By one that takes it for its own, and keeps so many old ones: `FILE.1` to `FILE.keep`.
    Rotated { keep: u32 },
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Daemon => f.write_str("the daemon's own log"),
            Writer::Stream { process, stream } => write!(f, "{process}'s {stream}"),
        }
    }
}

impl Writer {
    /// What may be said in place of a file that both would write to.
    fn way_out(&self, other: &Writer) -> &'static str {
        match (self, other) {
            (Writer::Stream { process, .. }, Writer::Stream { process: other, .. })
                if process == other =>
            {
                "`stderr: stdout` sends both of its streams to one place"
            }
            (Writer::Stream { .. }, Writer::Stream { .. }) => {
                "${name} in it gives each process a file of its own"
            }
            (Writer::Daemon, _) | (_, Writer::Daemon) => "name another",
        }
    }
}

impl Claim {
    /// Why two of one file are one too many, if they are.
    fn clash(&self, new: &Claim, file: &str) -> Option<String> {
        let (file, writer) = (shown(file), &self.writer);
        let what = match (self.way, new.way) {
            (Way::Appended, Way::Appended) => return None,
            (Way::Rotated { .. }, Way::Rotated { .. }) => {
                format!("{file} is rotated for {writer} already")
            }
            (Way::Rotated { .. }, Way::Appended) => {
                format!("{file} is rotated for {writer}, and takes no lines of others")
            }
            (Way::Appended, Way::Rotated { .. }) => {
                format!("{file} is appended to by {writer}, and so cannot be rotated")
            }
        };
        Some(format!("{what}; {}", writer.way_out(&new.writer)))
    }

    /// Whether this is among its old files.
    fn keeps(&self, number: u32) -> bool {
        match self.way {
            Way::Appended => false,
            Way::Rotated { keep } => number <= keep,
        }
    }

    fn writes(&self) -> &'static str {
        match self.way {
            Way::Appended => "appended to by",
            Way::Rotated { .. } => "rotated for",
        }
    }
}

impl Claims {
    /// From now on this file is written so. The error says in what way it is another's already.
    pub(super) fn add(&mut self, file: String, claim: Claim) -> Result<(), String> {
        let clash = self.clash(&file, &claim);
        self.0.entry(file).or_insert(claim);
        clash.map_or(Ok(()), Err)
    }

    fn clash(&self, file: &str, new: &Claim) -> Option<String> {
        if let Some(first) = self.0.get(file) {
            return first.clash(new, file);
        }
        if let Some((young, number)) = old(file)
            && let Some(first) = self.0.get(young)
            && first.keeps(number)
        {
            return Some(format!(
                "{} is an old file of {}, which is rotated for {} already",
                shown(file),
                shown(young),
                first.writer
            ));
        }
        if new.way == Way::Appended {
            return None;
        }
        let start = format!("{file}.");
        let behind = self.0.range(start.clone()..);
        let mut alike = behind.take_while(|(other, _)| other.starts_with(&start));
        let is_old = |other: &str| old(other).is_some_and(|(y, n)| y == file && new.keeps(n));
        let (other, first) = alike.find(|(other, _)| is_old(other))?;
        Some(format!(
            "{} has {} as an old file, which is {} {} already",
            shown(file),
            shown(other),
            first.writes(),
            first.writer
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

    fn add(claims: &mut Claims, file: &str, way: Way, process: &str) -> Result<(), String> {
        let writer = Writer::Stream { process: process.to_owned(), stream: "stdout" };
        claims.add(file.to_owned(), Claim { writer, way })
    }

    #[test]
    fn a_file_is_one_streams_and_so_are_its_old_ones() {
        let mut claims = Claims::default();
        let mut claim = |file, keep, whose| add(&mut claims, file, Way::Rotated { keep }, whose);
        assert_eq!(claim("/x.log", 2, "a"), Ok(()));
        for other in ["/x.log.3", "/x.log.0", "/x.log.01", "/x.log.gz", "/x.logs.1", "/x"] {
            assert_eq!(claim(other, 2, "b"), Ok(()), "{other}");
        }
        let why = claim("/x.log", 2, "c").unwrap_err();
        assert!(why.starts_with("/x.log is rotated for a's stdout already; ${name} "), "{why}");
        assert_eq!(
            claim("/x.log.2", 0, "c").unwrap_err(),
            "/x.log.2 is an old file of /x.log, which is rotated for a's stdout already"
        );
        assert_eq!(claim("/y.log.5", 0, "d"), Ok(()));
        assert_eq!(claim("/y.log-", 0, "e"), Ok(()));
        assert_eq!(
            claim("/y.log", 5, "f").unwrap_err(),
            "/y.log has /y.log.5 as an old file, which is rotated for d's stdout already"
        );
    }

    #[test]
    fn who_appends_shares_with_its_like_alone() {
        let mut claims = Claims::default();
        let rotated = Way::Rotated { keep: 1 };
        let mut claim = |file, way, whose| add(&mut claims, file, way, whose);
        assert_eq!(claim("/x", Way::Appended, "a"), Ok(()));
        assert_eq!(claim("/x", Way::Appended, "b"), Ok(()));
        assert_eq!(
            claim("/x", rotated, "c").unwrap_err(),
            "/x is appended to by a's stdout, and so cannot be rotated; ${name} in it gives each \
             process a file of its own"
        );
        assert_eq!(claim("/y", rotated, "a"), Ok(()));
        let why = claim("/y", Way::Appended, "a").unwrap_err();
        assert!(why.contains("takes no lines of others; `stderr: stdout` "), "{why}");
        assert!(claim("/y.1", Way::Appended, "b").unwrap_err().contains("is an old file of /y"));
        assert_eq!(claim("/z.1", Way::Appended, "b"), Ok(()));
        assert_eq!(
            claim("/z", rotated, "c").unwrap_err(),
            "/z has /z.1 as an old file, which is appended to by b's stdout already"
        );
        assert_eq!(claim("/x.1", rotated, "d"), Ok(()));
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
