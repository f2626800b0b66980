//! A storm: 200 programs that exit as soon as they have started, and nothing that holds them back.
//! How many starts a second there are, and how soon a question is answered meanwhile.

use std::fs::{self, File};
use std::path::Path;

use super::{Ground, Report};
use crate::clock::{now, pause, since};
use crate::doing::{Doing, Result};
use crate::samples::{Samples, Unit};
use crate::session::Session;
use crate::stamps;
use crate::supervisors::{Limit, Program, Supervisor, Taskmaster};
use crate::table::{Must, Row, Table};

const PROGRAMS: u64 = 200;

/// What was measured of one supervisor.
struct Storm {
    starts: Samples,
    status: Samples,
}

/// The table.
pub(super) fn take(ground: &Ground, report: &mut Report) -> Result<()> {
    let ours = Taskmaster::new();
    let (mut limit, mut taskmaster) = (Storm::new(), Storm::new());
    for _ in 0..ground.times(3, 1) {
        limit.blow(ground, &Limit)?;
        taskmaster.blow(ground, &ours)?;
    }
    let other = ground.supervisord(PROGRAMS, |supervisor| {
        let mut storm = Storm::new();
        storm.blow(ground, supervisor).map(|()| storm)
    });
    let name = other.as_ref().map(|_| "supervisord");
    let (starts, status) = other.map(|storm| (storm.starts, storm.status)).unzip();
    let mut table = Table::new(format!("Storm of {PROGRAMS}")).and(name);
    let row = Row::new("starts, backoff: 0").limit(limit.starts).ours(taskmaster.starts);
    table.add(row.others(starts).must(Some(Must::OfLimit(0.6))));
    let row = Row::new("status of one meanwhile").ours(taskmaster.status);
    table.add(row.others(status).must(Some(Must::AtMost(0.005))));
    report.add(&table);
    Ok(())
}

impl Storm {
    fn new() -> Self {
        Self { starts: Samples::new(Unit::PerSecond), status: Samples::new(Unit::Time) }
    }

    fn blow(&mut self, ground: &Ground, supervisor: &dyn Supervisor) -> Result<()> {
        let mut session = Session::new(supervisor, &ground.child)?;
        // A file, since a FIFO would need somebody to read it.
        let sink = session.folder().join("storm");
        File::create(&sink).doing("making a file")?;
        let programs = (0..PROGRAMS).map(|id| {
            let command = ground.child.command("crash", &sink, id);
            Program { name: format!("p{id:05}"), id, command, captured: false }
        });
        session.launch(programs.collect())?;
        pause(1500.0);
        for _ in 0..ground.times(3, 2) {
            let (before, start) = (starts(&sink)?, now());
            pause(1000.0);
            let rate = (starts(&sink)? - before) / since(start);
            self.starts.add(rate);
        }
        let start = now();
        for _ in 0..ground.times(20, 10) {
            let Some(time) = session.status(Some("p00007")).transpose()? else { break };
            self.status.add(time);
            if since(start) > 5.0 {
                break;
            }
        }
        Ok(())
    }
}

fn starts(sink: &Path) -> Result<f64> {
    let bytes = fs::metadata(sink).doing("looking at what was stamped")?.len();
    Ok(bytes as f64 / stamps::SIZE as f64)
}
