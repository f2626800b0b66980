//! What it costs: taskmaster beside the machine's limit, and beside supervisord where it is
//! installed, measured in one run, since a figure holds only beside its neighbours.
//!
//! ```text
//! cargo bench                    every figure, about five minutes
//! cargo bench -- --quick         fewer samples, smaller crowds
//! cargo bench -- life storm      only these figures
//! ```
//!
//! The figures are in [`figures`], one file each. They stand on a [`session::Session`]: one
//! supervisor with its programs in a folder of its own. What is supervised is [`child`], which stamps
//! its start with the clock, so that no figure depends on when somebody looked. What is compared
//! is behind one trait, in [`supervisors`].
//!
//! This binary plays every part that is not a supervisor under test: called without a word it is the
//! [`keeper`], which runs itself once more as the one that measures and sees to it that nothing is
//! left running, however that ends.

mod args;
mod child;
mod clock;
mod doing;
mod echo;
mod figures;
mod folder;
mod keeper;
mod limit;
mod processes;
mod samples;
mod session;
mod stamps;
mod supervisors;
mod table;
mod wire;

use std::process::ExitCode;

/// The words by which this binary calls itself.
mod part {
    pub(crate) const MEASURE: &str = "measure";
    pub(crate) const CHILD: &str = "child";
    pub(crate) const LIMIT: &str = "limit";
    pub(crate) const ECHO: &str = "echo";
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (first, rest) = match words.split_first() {
        Some((first, rest)) => (first.as_str(), rest),
        None => ("", words.as_slice()),
    };
    let done = match first {
        part::MEASURE => args::Args::parse(rest).and_then(|args| figures::measure(&args)),
        part::CHILD => child::play(rest),
        part::LIMIT => limit::play(rest),
        part::ECHO => echo::play(rest),
        _ => return keeper::keep(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("bench: {reason}");
            ExitCode::FAILURE
        }
    }
}
