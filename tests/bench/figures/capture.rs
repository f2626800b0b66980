//! What capturing costs: one program prints as fast as it can, into a rotated log, alone and
//! beside idle programs. The limit is a pipe to `cat > file`.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Ground, Report};
use crate::clock::{now, pause, seconds, since};
use crate::doing::{Doing, Result};
use crate::processes::{Spent, Used};
use crate::samples::{Samples, Unit};
use crate::session::Session;
use crate::stamps::Kind;
use crate::supervisors::{Limit, Program, Supervisor, Taskmaster};
use crate::table::{Must, Row, Table};

/// The number of the program that prints.
const LOUD: u64 = 500_000;

/// What was measured of one supervisor.
struct Capture {
    rate: Samples,
    /// Of all its processes.
    cpu: Samples,
    /// Of the first of them alone.
    own: Samples,
}

/// The table.
pub(super) fn take(ground: &Ground, report: &mut Report) -> Result<()> {
    let ours = Taskmaster::new();
    let (alone, beside) = if ground.quick { (128, 32) } else { (1024, 256) };
    let times = ground.times(5, 2);
    let (mut limit, mut taskmaster) = (Capture::new(), Capture::new());
    let (mut calm, mut crowd) = (Capture::new(), Capture::new());
    for _ in 0..times {
        limit.flood(ground, &Limit, alone, 0)?;
        taskmaster.flood(ground, &ours, alone, 0)?;
        calm.flood(ground, &ours, beside, 0)?;
        crowd.flood(ground, &ours, beside, 999)?;
    }
    let other = ground.supervisord(1000, |supervisor| {
        let (mut capture, mut crowd) = (Capture::new(), Capture::new());
        capture.flood(ground, supervisor, alone, 0)?;
        crowd.flood(ground, supervisor, beside, 999)?;
        Ok((capture, crowd))
    });
    let name = other.as_ref().map(|_| "supervisord");
    let (other, other_crowd) = other.unzip();
    let (other_rate, other_cpu) = other.map(|capture| (capture.rate, capture.cpu)).unzip();
    let mut table = Table::new(format!("Capture, {alone} MiB")).and(name);
    let row = Row::new("to a rotated log").limit(limit.rate).ours(taskmaster.rate);
    let row = row.others(other_rate).must(Some(Must::OfLimit(0.8)));
    table.add(row.note("limit: cat > file"));
    let row = Row::new("CPU of supervisor and logger").limit(limit.cpu).ours(taskmaster.cpu);
    table.add(row.others(other_cpu).must(Some(Must::TimesLimit(1.0))));
    let row = Row::new("CPU of the daemon alone").ours(taskmaster.own);
    table.add(row.must(Some(Must::AtMost(0.001))));
    let row = Row::new("beside 999 idle programs").limit(calm.rate).ours(crowd.rate);
    let row = row.others(other_crowd.map(|crowd| crowd.rate)).must(Some(Must::OfLimit(0.9)));
    table.add(row.note(format!("limit: the same {beside} MiB alone")));
    report.add(&table);
    Ok(())
}

impl Capture {
    fn new() -> Self {
        Self {
            rate: Samples::new(Unit::Rate),
            cpu: Samples::new(Unit::CpuPerGiB),
            own: Samples::new(Unit::CpuPerGiB),
        }
    }

    fn flood(&mut self, g: &Ground, s: &dyn Supervisor, mebibytes: u64, idle: u64) -> Result<()> {
        let bytes = mebibytes << 20;
        let mut session = Session::new(s, &g.child)?;
        let mut programs = session.idlers(idle);
        let mut command = g.child.command("flood", session.stamps.path(), LOUD);
        command.push(bytes.to_string());
        programs.push(Program { name: "loud".to_owned(), id: LOUD, command, captured: true });
        session.boot(programs)?;
        pause(500.0);
        let (own, first) = (session.own(), session.pid()?);
        let (before, before_first) = (Used::by(&own), Used::by(&[first]));
        let loud = session.stamps.pid(LOUD)?;
        kill(Pid::from_raw(loud), Signal::SIGUSR1).doing("telling a child to print")?;
        let begin = session.stamps.wait(Kind::Begin, LOUD, 10)?;
        let end = session.stamps.wait(Kind::End, LOUD, 120)?;
        if end.value != bytes {
            return Err(format!("{}: only {} of {bytes} bytes printed", s.name(), end.value));
        }
        let spent = until_quiet(&own, &before);
        let first = Used::by(&[first]).since(&before_first);
        let gibibytes = bytes as f64 / f64::from(1 << 30);
        self.rate.add(bytes as f64 / seconds(end.at.saturating_sub(begin.at)));
        self.cpu.add(spent.cpu / gibibytes);
        self.own.add(first.cpu / gibibytes);
        Ok(())
    }
}

/// What has been used once the rest has been moved, too.
fn until_quiet(pids: &[i32], before: &Used) -> Spent {
    let start = now();
    let mut spent = Used::by(pids).since(before);
    loop {
        pause(100.0);
        let more = Used::by(pids).since(before);
        if more.cpu - spent.cpu < 0.001 || since(start) > 10.0 {
            return more;
        }
        spent = more;
    }
}
