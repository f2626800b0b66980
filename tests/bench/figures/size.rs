//! The size of the binary, as it is built by default and without mail over TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Ground, Report};
use crate::doing::{Doing, Result};
use crate::samples::{Samples, Unit};
use crate::supervisors::taskmaster::BINARY;
use crate::table::{Must, Row, Table};

const MB: f64 = (1 << 20) as f64;

/// The table.
pub(super) fn take(ground: &Ground, report: &mut Report) -> Result<()> {
    let mut table = Table::new("On disk");
    let whole = Row::new("the binary").ours(size(Path::new(BINARY))?);
    table.add(whole.must(Some(Must::AtMost(2.8 * MB))));
    if !ground.quick {
        let small = Row::new("built --no-default-features").ours(size(&small()?)?);
        table.add(small.must(Some(Must::AtMost(1.8 * MB))));
    }
    report.add(&table);
    Ok(())
}

fn size(path: &Path) -> Result<Samples> {
    let about = fs::metadata(path).doing(format!("looking at {}", path.display()))?;
    Ok(Samples::of(Unit::Memory, [about.len() as f64]))
}

/// Builds the small one, beside what cargo has built, so that neither is built anew next time.
fn small() -> Result<PathBuf> {
    let profile = Path::new(BINARY).parent().doing("the binary is in no folder")?;
    let target = profile.join("without-default-features");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--release", "--no-default-features"]);
    cargo.args(["--bin", "taskmaster", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    cargo.arg("--target-dir").arg(&target).stdin(Stdio::null());
    let status = cargo.status().doing("running cargo")?;
    if !status.success() {
        return Err(format!("building without default features: {status}"));
    }
    Ok(target.join("release/taskmaster"))
}
