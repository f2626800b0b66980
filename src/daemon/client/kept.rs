//! A connection that goes on through an upgrade: nothing of what it said, was told or waits for is
//! lost.

use std::net::TcpStream;
use std::os::fd::OwnedFd;

use super::{Clearing, Client, Hello, Task, Waiting};
use crate::daemon::commands::exit;
use crate::daemon::kept::{KeptClient, KeptTask};
use crate::daemon::tail::Tail;
use crate::daemon::watch::Watching;
use crate::protocol::{LINE_LIMIT, Lines};
use crate::supervisor::{Base, Id, Supervisor};
use crate::sys::handover::inherited;

impl Client {
    /// It, as plain data.
    pub(in crate::daemon) fn keep(&self, all: &Supervisor, base: Base) -> KeptClient {
        use std::os::fd::AsRawFd as _;
        KeptClient {
            stream: self.stream.as_raw_fd(),
            peer: self.peer.clone(),
            since: base.nanos(self.since),
            said: self.lines.rest().to_vec(),
            untold: self.out.get(self.sent..).unwrap_or_default().to_vec(),
            greeted: match &self.hello {
                Hello::Greeted(nonce) => Some(nonce.clone()),
                Hello::Done => None,
            },
            task: keep_task(&self.task, all, base),
            closing: self.closing,
            finished: self.finished,
        }
    }

    /// The descriptors that it needs.
    pub(in crate::daemon) fn descriptors(&self) -> Vec<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd as _;
        let logs = match &self.task {
            Task::Tail(tail) => tail.descriptors(),
            Task::None
            | Task::Wait(_)
            | Task::Follow
            | Task::Watch(_)
            | Task::Clear(_)
            | Task::Shutdown
            | Task::Upgrade => Vec::new(),
        };
        logs.into_iter().chain([self.stream.as_fd()]).collect()
    }

    /// It again.
    ///
    /// # Errors
    /// That its descriptor is not there.
    pub(in crate::daemon) fn take_up(
        kept: KeptClient,
        all: &Supervisor,
        base: Base,
    ) -> std::io::Result<Self> {
        let stream: OwnedFd = inherited(kept.stream)?;
        let mut lines = Lines::new(LINE_LIMIT);
        lines.push(&kept.said);
        Ok(Self {
            stream: TcpStream::from(stream),
            peer: kept.peer,
            since: base.instant(kept.since),
            lines,
            out: kept.untold,
            sent: 0,
            hello: kept.greeted.map_or(Hello::Done, Hello::Greeted),
            task: take_up_task(kept.task, all, base)?,
            closing: kept.closing,
            // One that was refused has waited long enough.
            held_until: None,
            finished: kept.finished,
            gone: false,
        })
    }
}

impl Client {
    /// It speaks another protocol than this version does: it has to come again.
    pub(in crate::daemon) fn part(&mut self) {
        if !matches!(std::mem::replace(&mut self.task, Task::None), Task::None) {
            let why = "the daemon was upgraded, and speaks another version of the protocol: \
                       connect again";
            self.send(&crate::protocol::Reply::failed(exit::OTHER_PROTOCOL, why));
        }
        self.close();
    }
}

fn keep_task(task: &Task, all: &Supervisor, base: Base) -> KeptTask {
    match task {
        // There is no upgrade during a shutdown.
        Task::None | Task::Shutdown => KeptTask::None,
        Task::Follow => KeptTask::Follow,
        Task::Watch(watching) => {
            let (selectors, gone) = watching.keep();
            KeptTask::Watch { selectors, gone }
        }
        Task::Upgrade => KeptTask::Upgrade,
        Task::Tail(tail) => KeptTask::Tail { logs: tail.keep() },
        Task::Clear(Clearing { pending, failed }) => {
            KeptTask::Clear { pending: pending.clone(), failed: *failed }
        }
        Task::Wait(Waiting { goal, pending, since: _, until, failed }) => {
            let kept = |(id, name): (&Id, &String)| {
                let process = all.get(*id)?;
                Some((process.program.name.to_string(), process.index, name.clone()))
            };
            KeptTask::Wait {
                goal: *goal,
                pending: pending.iter().filter_map(kept).collect(),
                until: until.map(|until| base.nanos(until)),
                failed: *failed,
            }
        }
    }
}

fn take_up_task(task: KeptTask, all: &Supervisor, base: Base) -> std::io::Result<Task> {
    Ok(match task {
        KeptTask::None => Task::None,
        KeptTask::Follow => Task::Follow,
        KeptTask::Watch { selectors, gone } => Task::Watch(Watching::take_up(selectors, gone, all)),
        KeptTask::Upgrade => Task::Upgrade,
        KeptTask::Tail { logs } => Task::Tail(Tail::take_up(logs, base.at)?),
        KeptTask::Clear { pending, failed } => Task::Clear(Clearing { pending, failed }),
        KeptTask::Wait { goal, pending, until, failed } => {
            let known = |(program, index, name): (String, u32, String)| {
                Some((all.id_of(&program, index)?, name))
            };
            let pending = pending.into_iter().filter_map(known).collect();
            let until = until.map(|until| base.instant(until));
            // An upgrade leaves no change untold, and they are counted anew.
            Task::Wait(Waiting { goal, pending, since: 0, until, failed })
        }
    })
}
