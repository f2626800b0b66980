//! How long reading and checking a file of 10,000 programs takes, by `taskmaster check`.

use super::{Ground, Report};
use crate::doing::{Doing, Result};
use crate::samples::{Samples, Unit};
use crate::session::Session;
use crate::supervisors::Taskmaster;
use crate::table::{Must, Row, Table};

/// The table.
pub(super) fn take(ground: &Ground, report: &mut Report) -> Result<()> {
    let ours = Taskmaster::new();
    let mut session = Session::new(&ours, &ground.child)?;
    let mut table = Table::new("Reading and checking the file");
    for (count, must) in [(1000, None), (10_000, Some(Must::AtMost(0.150)))] {
        session.programs = session.idlers(count);
        session.configure()?;
        let mut times = Samples::new(Unit::Time);
        for _ in 0..ground.times(15, 5) {
            times.add(session.check().doing("taskmaster has no check")??);
        }
        table.add(Row::new(format!("{count} programs")).ours(times).must(must));
    }
    report.add(&table);
    Ok(())
}
