//! What one death, one tick and one request cost the daemon in CPU time as N grows: the same, for
//! a turn of its loop costs what has happened, not what is configured.

use super::{Ground, Report};
use crate::clock::pause;
use crate::doing::{Doing, Result};
use crate::processes::Used;
use crate::samples::{Samples, Unit};
use crate::session::Session;
use crate::supervisors::Taskmaster;
use crate::table::{Must, Row, Table};

/// How much more the largest N may cost than the smallest.
const FLAT: f64 = 1.3;

/// As often each is taken: the scheduler alone makes a factor of two between one time and another.
const BATCHES: u64 = 9;

/// What one of each costs.
struct Costs {
    death: Samples,
    tick: Samples,
    request: Samples,
}

/// The table: the smallest N stands where the limit does elsewhere.
pub(super) fn take(ground: &Ground, report: &mut Report) -> Result<()> {
    let large = ground.times(10_000, 1000);
    let (mut few, mut many) = (Costs::new(), Costs::new());
    for _ in 0..ground.times(3, 1) {
        few.measure(ground, 100)?;
        many.measure(ground, large)?;
    }
    let mut table = Table::new(format!("CPU of the daemon at N = {large}")).beside("at N = 100");
    let rows = [
        ("one death and start", few.death, many.death),
        ("one tick", few.tick, many.tick),
        ("one request", few.request, many.request),
    ];
    for (name, few, many) in rows {
        table.add(Row::new(name).limit(few).ours(many).must(Some(Must::TimesLimit(FLAT))));
    }
    report.add(&table);
    Ok(())
}

impl Costs {
    fn new() -> Self {
        let time = || Samples::new(Unit::Time);
        Self { death: time(), tick: time(), request: time() }
    }

    fn measure(&mut self, ground: &Ground, count: u64) -> Result<()> {
        self.ticks(ground, count)?;
        let ours = Taskmaster::new();
        let mut session = Session::new(&ours, &ground.child)?;
        let programs = session.idlers(count);
        session.boot(programs)?;
        pause(500.0);
        let daemon = session.pid()?;
        for batch in 0..BATCHES {
            let deaths = 20;
            let before = Used::by(&[daemon]);
            for number in 0..deaths {
                session.restart(((batch * deaths + number) * 37 + 11) % count)?;
                pause(1.0);
            }
            self.death.add(Used::by(&[daemon]).since(&before).cpu / deaths as f64);
        }
        let mut connection = session.connect().doing("no connection to ask on")??;
        connection.ask()?;
        for _ in 0..BATCHES {
            let requests = 200;
            let before = Used::by(&[daemon]);
            for _ in 0..requests {
                connection.ask()?;
            }
            self.request.add(Used::by(&[daemon]).since(&before).cpu / f64::from(requests));
        }
        Ok(())
    }

    /// Every program has one deadline: when it has been up for `starttime`.
    fn ticks(&mut self, ground: &Ground, count: u64) -> Result<()> {
        // Longer than the start of all takes.
        let (defaults, starttime) = match count {
            0..=100 => ("starttime: 2s, backoff: 0", 2000.0),
            101..=1000 => ("starttime: 5s, backoff: 0", 5000.0),
            _ => ("starttime: 10s, backoff: 0", 10_000.0),
        };
        let ours = Taskmaster { defaults };
        let mut session = Session::new(&ours, &ground.child)?;
        let programs = session.idlers(count);
        let boot = session.boot(programs)?;
        if boot * 1e3 + 300.0 > starttime {
            return Err(format!("a start of {count} took {boot} s: no tick could be measured"));
        }
        let daemon = session.pid()?;
        pause(200.0);
        let before = Used::by(&[daemon]);
        pause(starttime + 300.0);
        self.tick.add(Used::by(&[daemon]).since(&before).cpu / count as f64);
        Ok(())
    }
}
