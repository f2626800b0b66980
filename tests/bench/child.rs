//! What is supervised: a program that stamps its start, as small as this machine can make it.
//!
//! `child.c` where there is a C compiler, linked statically where that is possible, since what a
//! dynamic loader costs would hide the supervisor. Else a copy of this very binary, which then
//! [`play`]s the same part: the ratios stay, the figures grow.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, Signal};

use crate::clock::now;
use crate::doing::{Doing, Result};
use crate::part;
use crate::stamps::{Kind, Stamp};

const SOURCE: &str = include_str!("child.c");

/// A finished child.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    /// The executable. Nothing else runs it, so it tells the children from the supervisor.
    pub(crate) path: PathBuf,
    /// How it came about.
    pub(crate) made: &'static str,
    /// Words that come before its own.
    words: Vec<String>,
}

impl Child {
    /// Makes one in this folder.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let (source, path) = (folder.join("child.c"), folder.join("child"));
        fs::write(&source, SOURCE).doing(format!("writing {}", source.display()))?;
        for (made, flags) in [("static, in C", &["-static"][..]), ("dynamic, in C", &[][..])] {
            let mut cc = Command::new("cc");
            cc.args(["-O2", "-o"]).arg(&path).arg(&source).args(flags);
            cc.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if cc.status().is_ok_and(|status| status.success()) {
                return Ok(Self { path, made, words: Vec::new() });
            }
        }
        let myself = std::env::current_exe().doing("finding this program")?;
        fs::copy(myself, &path).doing("copying this program")?;
        Ok(Self {
            path,
            made: "this program, without a C compiler",
            words: vec![part::CHILD.to_owned()],
        })
    }

    /// The command line that plays this part: `idle`, `crash` or `flood`.
    pub(crate) fn command(&self, mode: &str, sink: &Path, id: u64) -> Vec<String> {
        let path = self.path.display().to_string();
        let mut words = vec![path];
        words.extend(self.words.iter().cloned());
        words.extend([mode.to_owned(), sink.display().to_string(), id.to_string()]);
        words
    }
}

/// The same as `child.c`.
pub(crate) fn play(words: &[String]) -> Result<()> {
    let [mode, sink, id, rest @ ..] = words else { return Err("child: MODE SINK ID".to_owned()) };
    let id = id.parse().doing("the child's number")?;
    let stamp = |kind, value| {
        let pid = nix::unistd::Pid::this().as_raw();
        let record = Stamp { at: now(), pid, kind, id, value }.encode();
        let file = OpenOptions::new().append(true).open(sink);
        file.and_then(|mut file| file.write_all(&record)).doing("stamping")
    };
    let go: SigSet = [Signal::SIGUSR1].into_iter().collect();
    go.thread_block().doing("blocking a signal")?;
    stamp(Kind::Start, 0)?;
    match (mode.as_str(), rest) {
        ("crash", _) => return Err("as it should".to_owned()),
        ("flood", [bytes, ..]) => {
            go.wait().doing("waiting for a signal")?;
            stamp(Kind::Begin, 0)?;
            stamp(Kind::End, flood(bytes.parse().doing("how much to print")?))?;
        }
        _ => {}
    }
    loop {
        nix::unistd::pause();
    }
}

fn flood(bytes: u64) -> u64 {
    let line: Vec<u8> = (b'a'..=b'z').cycle().take(127).chain([b'\n']).collect();
    let block: Vec<u8> = line.iter().copied().cycle().take(4096).collect();
    let mut done = 0;
    while done < bytes {
        let want = usize::try_from(bytes - done).unwrap_or(usize::MAX).min(block.len());
        let part = block.get(..want).unwrap_or_default();
        match nix::unistd::write(std::io::stdout(), part) {
            Ok(count @ 1..) => done += u64::try_from(count).unwrap_or(0),
            _ => break,
        }
    }
    done
}
