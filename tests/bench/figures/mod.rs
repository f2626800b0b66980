//! The figures, each in a file of its own, and the order in which they are taken.

mod capture;
mod file;
mod growth;
mod life;
mod size;
mod storm;

use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::signal::SigSet;
use tempfile::TempDir;

use crate::args::Args;
use crate::child::Child;
use crate::clock::{now, since};
use crate::doing::{Doing, Result};
use crate::folder;
use crate::supervisors::{Supervisor, Supervisord};
use crate::table::Table;

/// Something that can be taken by its name.
pub(crate) struct Figure {
    /// What `cargo bench -- NAME` calls it.
    pub(crate) name: &'static str,
    take: fn(&Ground, &mut Report) -> Result<()>,
}

/// All of them.
pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "life", take: life::take },
    Figure { name: "capture", take: capture::take },
    Figure { name: "storm", take: storm::take },
    Figure { name: "growth", take: growth::take },
    Figure { name: "file", take: file::take },
    Figure { name: "size", take: size::take },
];

/// What all figures stand on.
pub(crate) struct Ground {
    /// What is supervised.
    child: Child,
    /// Another supervisor to compare with.
    supervisord: Option<Supervisord>,
    /// Fewer samples, smaller crowds.
    quick: bool,
    _folder: TempDir,
}

impl Ground {
    fn prepare(args: &Args) -> Result<Self> {
        // What a killed supervisor leaves comes to us.
        set_child_subreaper(true).doing("becoming a subreaper")?;
        // The keeper's blocked signals are for it alone, and not for what is started from here.
        SigSet::empty().thread_set_mask().doing("unblocking signals")?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).doing("asking for ulimit -n")?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most).doing("raising ulimit -n")?;
        let folder = folder::new()?;
        Ok(Self {
            child: Child::make(folder.path())?,
            supervisord: Supervisord::find(),
            quick: args.quick,
            _folder: folder,
        })
    }

    /// What supervisord does, if it is there and can do it, and this is not too much to ask of it.
    fn supervisord<T>(
        &self,
        programs: u64,
        measure: impl FnOnce(&dyn Supervisor) -> Result<T>,
    ) -> Option<T> {
        let supervisord = self.supervisord.as_ref().filter(|s| programs <= s.most())?;
        let measured = measure(supervisord);
        measured.map_err(|reason| eprintln!("bench: supervisord: {reason}")).ok()
    }

    /// So many samples, or fewer where it has to be quick.
    fn times(&self, thorough: u64, quick: u64) -> u64 {
        if self.quick { quick } else { thorough }
    }
}

/// Takes what is wanted and prints it.
pub(crate) fn measure(args: &Args) -> Result<()> {
    let ground = Ground::prepare(args)?;
    let others = ground.supervisord.as_ref().map_or("not on PATH", |_| "on PATH");
    let cpus = std::thread::available_parallelism().doing("counting CPUs")?;
    println!("{cpus} CPUs; the child is {}; supervisord is {others}", ground.child.made);
    println!("median [minimum maximum]; ratio: taskmaster to what stands before it\n");
    let (start, busy) = (now(), Busy::now());
    let mut report = Report::default();
    for figure in FIGURES.iter().filter(|figure| args.wants(figure.name)) {
        if let Err(reason) = (figure.take)(&ground, &mut report) {
            report.missing.push(format!("{}: {reason}", figure.name));
        }
    }
    let (time, foreign) = (since(start), busy.foreign());
    println!("{} musts hold, {} do not", report.held, report.failed.len());
    report.failed.iter().for_each(|name| println!("  {name}"));
    println!(
        "{time:.0} s; others used {:.0} % of a CPU meanwhile{}",
        foreign / time * 100.0,
        if foreign / time > 0.05 { ": take it again when they rest" } else { "" }
    );
    if report.missing.is_empty() { Ok(()) } else { Err(report.missing.join("\nbench: ")) }
}

/// What has been taken so far.
#[derive(Default)]
pub(crate) struct Report {
    held: usize,
    /// Figures that are not as they must be.
    failed: Vec<String>,
    /// Figures that could not be taken, and why.
    missing: Vec<String>,
}

impl Report {
    /// Prints a table at once.
    fn add(&mut self, table: &Table) {
        println!("{}", table.show());
        let (held, failed) = table.verdict();
        self.held += held;
        self.failed.extend(failed);
    }
}

/// CPU time until now, of the whole machine and of what was ours.
struct Busy {
    machine: f64,
    ours: f64,
}

impl Busy {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<f64> =
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        // user, nice, system, then idle and iowait, then irq, softirq, steal.
        let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| ticks.get(*at));
        let used = |who| {
            let usage = getrusage(who);
            let time = |time: nix::sys::time::TimeVal| {
                Duration::from_secs(u64::try_from(time.tv_sec()).unwrap_or(0)).as_secs_f64()
                    + f64::from(u32::try_from(time.tv_usec()).unwrap_or(0)) / 1e6
            };
            usage.map_or(0.0, |usage| time(usage.user_time()) + time(usage.system_time()))
        };
        let ours = used(UsageWho::RUSAGE_SELF) + used(UsageWho::RUSAGE_CHILDREN);
        Self { machine: busy.sum::<f64>() / TICKS, ours }
    }

    /// CPU seconds that others have used since.
    fn foreign(&self) -> f64 {
        let now = Self::now();
        (now.machine - self.machine) - (now.ours - self.ours)
    }
}

/// Of /proc/stat, in a second: USER_HZ, which is 100 wherever Linux runs.
const TICKS: f64 = 100.0;
