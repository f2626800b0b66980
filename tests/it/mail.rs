//! Reports: mail through real servers, good and bad, and hooks.

mod content;
mod failures;
mod hooks;
mod life;
mod secrets;
mod storm;
#[cfg(feature = "tls")]
mod tls;
mod tried;

use crate::bench::Bench;

/// A program that is FATAL as soon as it is started.
const FAILS: &str = "web: {cmd: \"sh -c 'echo no luck >&2; exit 3'\", startretries: 0}";

/// Writes a configuration with this `mail:` section, short of its addresses.
fn configure(bench: &Bench, mail: &str, programs: &str) {
    configure_more(
        bench,
        &format!("mail: {{{mail}, from: tm@example.org, to: [ops@example.org]}}"),
        programs,
    );
}

/// Writes a configuration with these further sections.
fn configure_more(bench: &Bench, sections: &str, programs: &str) {
    bench.configure(programs);
    let text = bench.read("taskmaster.yaml");
    bench.write("taskmaster.yaml", &format!("{sections}\n{text}"));
}

/// A daemon with this `mail:` section.
fn up(mail: &str, programs: &str) -> Bench {
    let mut bench = Bench::new("");
    configure(&bench, mail, programs);
    bench.start();
    bench
}

/// The messages in a folder of the bench, oldest first.
fn messages(bench: &Bench, folder: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(bench.path(folder)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "eml"));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}
