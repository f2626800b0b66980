//! What a supervisor costs from its start to its end, at N = 0 to 10,000 idle programs: memory,
//! start, a death, idleness, questions, reloads, the stop.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::{Ground, Report};
use crate::clock::{now, pause, since};
use crate::doing::{Doing, Result};
use crate::part;
use crate::samples::{Samples, Unit};
use crate::session::Session;
use crate::supervisors::{Limit, Requests, Supervisor, Taskmaster};
use crate::table::{Must, Row, Table};

/// What was measured of one supervisor.
struct Life {
    memory: Samples,
    /// After one reload, which has brought in the code that a question needs.
    after_one: Samples,
    after_reloads: Samples,
    start: Samples,
    restart: Samples,
    switches: Samples,
    status: Samples,
    request: Samples,
    change: Samples,
    nothing: Samples,
    /// Reading and checking the configuration.
    check: Samples,
    stop: Samples,
    /// Bytes of a request, and of its answer.
    wire: Option<(usize, usize)>,
}

/// The table for each N.
pub(super) fn take(ground: &Ground, report: &mut Report) -> Result<()> {
    let sizes: &[u64] = if ground.quick { &[0, 100, 1000] } else { &[0, 100, 1000, 10_000] };
    for count in sizes {
        report.add(&at(ground, *count)?);
    }
    Ok(())
}

fn at(ground: &Ground, count: u64) -> Result<Table> {
    let ours = Taskmaster::new();
    let (mut limit, mut taskmaster) = (Life::new(), Life::new());
    let rounds = ground.times(if count > 1000 { 3 } else { 5 }, 2);
    // Side by side: what the machine does meanwhile hits both.
    for round in 0..rounds {
        let whole = round == 0;
        limit.round(ground, &Limit, count, whole)?;
        taskmaster.round(ground, &ours, count, whole)?;
    }
    let supervisord = ground.supervisord(count, |supervisor| {
        let mut life = Life::new();
        life.round(ground, supervisor, count, true).map(|()| life)
    });
    if let Some((request, reply)) = taskmaster.wire {
        limit.request = echo(request, reply, ground.times(7, 3))?;
    }
    Ok(table(count, limit, taskmaster, supervisord))
}

fn table(count: u64, limit: Life, ours: Life, others: Option<Life>) -> Table {
    let title = format!("N = {count}");
    let mut table = Table::new(title).and(others.as_ref().map(|_| "supervisord"));
    let must = |must| (count == 1000).then_some(must);
    let other = |pick: fn(&Life) -> &Samples| others.as_ref().map(|life| pick(life).clone());
    const MB: f64 = (1 << 20) as f64;
    let row = |name: &str, pick: fn(&Life) -> &Samples| {
        Row::new(name).limit(pick(&limit).clone()).ours(pick(&ours).clone()).others(other(pick))
    };
    table.add(row("memory, the logger included", |l| &l.memory).must(must(Must::AtMost(3.0 * MB))));
    let after = Row::new("memory after ten reloads").limit(ours.after_one.clone());
    let after = after.ours(ours.after_reloads.clone()).others(other(|l| &l.after_reloads));
    table.add(after.must(must(Must::TimesLimit(1.1))).note("limit: after the first of them"));
    if count > 0 {
        table.add(row("start to last child up", |l| &l.start).must(must(Must::TimesLimit(1.3))));
        table.add(row("SIGKILL to new child up", |l| &l.restart).must(must(Must::TimesLimit(1.2))));
    }
    let switches = row("context switches while idle", |l| &l.switches);
    table.add(switches.must(must(Must::AtMost(0.0))));
    table.add(row("status of all, by its command", |l| &l.status));
    if count > 0 {
        let request = row("request on a kept connection", |l| &l.request);
        table.add(
            request.must(must(Must::TimesLimit(1.5))).note("limit: an echo of the same bytes"),
        );
        table.add(row("reload: 10 new, 10 gone, 10 other", |l| &l.change));
    }
    let nothing = Row::new("reload that changes nothing").limit(ours.check.clone());
    let nothing = nothing.ours(ours.nothing.clone()).others(other(|l| &l.nothing));
    table.add(nothing.must(must(Must::TimesLimit(2.0))).note("limit: taskmaster check"));
    table.add(row("stop all", |l| &l.stop).must(must(Must::TimesLimit(1.1))));
    table
}

impl Life {
    fn new() -> Self {
        let time = || Samples::new(Unit::Time);
        Self {
            memory: Samples::new(Unit::Memory),
            after_one: Samples::new(Unit::Memory),
            after_reloads: Samples::new(Unit::Memory),
            start: time(),
            restart: time(),
            switches: Samples::new(Unit::PerSecond),
            status: time(),
            request: time(),
            change: time(),
            nothing: time(),
            check: time(),
            stop: time(),
            wire: None,
        }
    }

    /// One life; a whole one with everything that happens between start and stop.
    fn round(&mut self, g: &Ground, s: &dyn Supervisor, count: u64, whole: bool) -> Result<()> {
        let mut session = Session::new(s, &g.child)?;
        let programs = session.idlers(count);
        let start = session.boot(programs)?;
        if count > 0 {
            self.start.add(start);
        }
        // What a start has used is given back.
        pause(1000.0);
        self.memory.add(session.memory()?);
        if whole {
            self.between(g, &mut session)?;
        }
        self.stop.add(session.stop()?);
        Ok(())
    }

    fn between(&mut self, ground: &Ground, session: &mut Session<'_>) -> Result<()> {
        let count = u64::try_from(session.programs.len()).unwrap_or(u64::MAX);
        for _ in 0..ground.times(5, 2) {
            self.switches.add(session.idleness(1.0).0);
        }
        let start = now();
        for number in 0..ground.times(60, 20) {
            if count == 0 || since(start) > 6.0 {
                break;
            }
            self.restart.add(session.restart((number * 37 + 11) % count)?);
            // Another gap each time, so that no phase of a loop is missed.
            pause(5.0 + f64::from(u8::try_from(number * 7 % 30).unwrap_or(0)));
        }
        for _ in 0..ground.times(15, 5) {
            let Some(time) = session.status(None).transpose()? else { break };
            self.status.add(time);
        }
        if let Some(connection) = session.connect() {
            self.ask(connection?.as_mut(), ground.times(7, 3))?;
        }
        self.reloads(session)?;
        let start = now();
        for round in 0..ground.times(5, 2) {
            if count < 100 || since(start) > 5.0 {
                break;
            }
            let Some(time) = session.change_ten(round)? else { break };
            self.change.add(time);
            pause(100.0);
        }
        Ok(())
    }

    fn ask(&mut self, connection: &mut dyn Requests, series: u64) -> Result<()> {
        let answer = connection.ask()?;
        self.wire = Some((connection.request_length(), answer));
        let mut ask = || connection.ask().map(|_| ());
        for _ in 0..series {
            self.request.add(median_of(&mut ask)?);
        }
        Ok(())
    }

    fn reloads(&mut self, session: &Session<'_>) -> Result<()> {
        for number in 0..10 {
            let Some(time) = session.reload().transpose()? else { return Ok(()) };
            self.nothing.add(time);
            if number == 0 {
                pause(300.0);
                self.after_one.add(session.memory()?);
            }
            if let Some(time) = session.check().transpose()? {
                self.check.add(time);
            }
        }
        pause(300.0);
        self.after_reloads.add(session.memory()?);
        Ok(())
    }
}

/// The median time of one of many round trips.
fn median_of(ask: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Samples::new(Unit::Time);
    let start = now();
    for _ in 0..500 {
        let asked = now();
        ask()?;
        times.add(since(asked));
        if since(start) > 1.0 {
            break;
        }
    }
    times.median().doing("no request was answered")
}

/// Round trips of as many bytes to a server that does nothing but answer.
fn echo(request: usize, reply: usize, series: u64) -> Result<Samples> {
    let myself = std::env::current_exe().doing("finding this program")?;
    let mut command = Command::new(myself);
    command.arg(part::ECHO).args([request.to_string(), reply.to_string()]);
    let mut server = command.stdout(Stdio::piped()).spawn().doing("starting an echo")?;
    let stdout = server.stdout.take().doing("the echo's output")?;
    let mut port = String::new();
    BufReader::new(stdout).read_line(&mut port).doing("reading the echo's port")?;
    let stream = TcpStream::connect(format!("127.0.0.1:{}", port.trim()));
    let mut stream = stream.doing("connecting to the echo")?;
    stream.set_nodelay(true).doing("setting TCP_NODELAY")?;
    let (question, mut answer) = (vec![b'?'; request], vec![0; reply]);
    let mut ask = || {
        stream.write_all(&question).doing("asking the echo")?;
        stream.read_exact(&mut answer).doing("hearing the echo")
    };
    let mut times = Samples::new(Unit::Time);
    for _ in 0..series {
        times.add(median_of(&mut ask)?);
    }
    drop(stream);
    server.wait().doing("waiting for the echo")?;
    Ok(times)
}
