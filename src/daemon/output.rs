//! `tail`, `log` and `clear`: what programs and the daemon have printed.

use std::path::PathBuf;

use super::Daemon;
use super::capture::Which;
use super::client::{Clearing, Task};
use super::commands::{Answer, exit};
use super::tail::{Source, Tail};
use crate::config::{LogTarget, Output};
use crate::protocol::{End, Reply, ResultRow, Stream};
use crate::supervisor::Process;

/// Logs to read.
type Logs = Result<Vec<Source>, Answer>;

impl Daemon {
    /// The logs of a stream of the processes that a selector means.
    pub(super) fn logs_of(&self, selector: &str, stream: Stream) -> Logs {
        let which = match stream {
            Stream::Stdout => Which::Stdout,
            Stream::Stderr => Which::Stderr,
        };
        let ids = self.select(&[selector.to_owned()])?;
        let several = ids.len() > 1;
        let mut logs = Vec::new();
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            let name = process.name();
            let of = Some((process.program.name.to_string(), process.index));
            match self.log_path(process, which) {
                Ok(path) => logs.push(Source { name: several.then_some(name), of, path }),
                Err(why) => {
                    let error = format!("{name}: its {} {why}", which.name());
                    return Err(vec![Reply::failed(exit::FAILED, error)]);
                }
            }
        }
        Ok(logs)
    }

    /// Where a stream of a process goes to, or why there is nothing to read.
    ///
    /// That of one that is up goes where it went when it was launched, whatever the configuration
    /// says by now; of any other, that counts.
    pub(super) fn log_path(
        &self,
        process: &Process,
        which: Which,
    ) -> Result<PathBuf, &'static str> {
        let key = (process.program.name.clone(), process.index, which);
        let configured = self.kitchen.capture(process, which);
        let is_up = process.state.process().is_some();
        if let Some(settings) =
            self.captures.settings(&key).filter(|_| is_up || configured.is_some())
        {
            return Ok(settings.path.clone());
        }
        if let Some(settings) = configured {
            return Ok(settings.path);
        }
        let launch = &process.program.launch;
        let output = match which {
            Which::Stdout => &launch.stdout,
            Which::Stderr => &launch.stderr,
        };
        match output {
            Output::File(path) => {
                let name = self.name_as_launched(process);
                Ok(PathBuf::from(path.expand(process.index, &name)))
            }
            Output::Stdout => self.log_path(process, Which::Stdout),
            // Captured, if anything could be kept.
            Output::Inherit | Output::Auto => {
                Err("goes where the daemon's own does: nothing is kept")
            }
            Output::Discard | Output::Captured(_) => Err("is discarded"),
        }
    }

    /// The daemon's own log.
    pub(super) fn own_log(&mut self) -> Logs {
        self.log.flush();
        let no_file = |what: &str| {
            let error = format!("the log goes to {what}, see daemon.log: there is no file to read");
            Err(vec![Reply::failed(exit::FAILED, error)])
        };
        match &self.config.daemon.log.target {
            LogTarget::File(path) => Ok(vec![Source { name: None, of: None, path: path.clone() }]),
            LogTarget::Stderr => no_file("stderr"),
            LogTarget::Syslog => no_file("syslog"),
        }
    }

    /// Answers with the end of logs, and goes on with what comes if it is to follow.
    pub(super) fn tail(&mut self, index: usize, logs: Logs, lines: usize, follow: bool) {
        let started = logs.and_then(|logs| {
            let failed = |error| vec![Reply::failed(exit::FAILED, error)];
            Tail::start(logs, lines, self.now.at).map_err(failed)
        });
        match started {
            Err(answer) => self.reply(index, answer),
            Ok((tail, mut answer)) => {
                if !follow {
                    answer.push(Reply::DONE);
                }
                self.reply(index, answer);
                if let Some(client) = self.clients.get_mut(index).filter(|_| follow) {
                    client.task = Task::Tail(tail);
                }
            }
        }
    }

    /// Has captured logs emptied by who writes them, so that nothing falls in between.
    pub(super) fn clear(&mut self, index: usize, selectors: &[String]) {
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return self.reply(index, answer),
        };
        if let Some(why) = self.captures.why_not_clear() {
            let answer = vec![in_vain(why)];
            return self.reply(index, answer);
        }
        let mut clearing = Clearing { pending: std::collections::BTreeMap::new(), failed: false };
        let mut answer = Vec::new();
        for process in ids.into_iter().filter_map(|id| self.supervisor.get(id)) {
            let name = process.name();
            let before = clearing.pending.len();
            for which in [Which::Stdout, Which::Stderr] {
                let key = (process.program.name.clone(), process.index, which);
                if let Some(settings) = self.kitchen.capture(process, which) {
                    // One that has not run yet may have a log from earlier days.
                    let id = self.captures.clear(&key, settings);
                    clearing.pending.extend(id.ok().map(|id| (id, name.clone())));
                }
            }
            if clearing.pending.len() == before {
                clearing.failed = true;
                let message = "nothing of it is captured".to_owned();
                answer.push(Reply::Result(ResultRow { name, ok: false, message }));
            }
        }
        self.reply(index, answer);
        if let Some(client) = self.clients.get_mut(index) {
            client.task = Task::Clear(clearing);
        }
        self.end_clears();
    }

    /// The logger has emptied the files of a stream, or could not.
    pub(super) fn cleared(&mut self, id: u64, error: Option<String>) {
        for client in &mut self.clients {
            let Task::Clear(clearing) = &mut client.task else { continue };
            let Some(name) = clearing.pending.remove(&id) else { continue };
            let ok = error.is_none();
            clearing.failed |= !ok;
            // One answer for both of its streams, unless one failed.
            if ok && clearing.pending.values().any(|other| *other == name) {
                continue;
            }
            let message = error.clone().unwrap_or_else(|| "cleared".to_owned());
            client.send(&Reply::Result(ResultRow { name, ok, message }));
        }
        self.end_clears();
    }

    /// There is no logger that could.
    pub(super) fn end_clears_in_vain(&mut self, why: &str) {
        for client in &mut self.clients {
            if matches!(client.task, Task::Clear(_)) {
                client.task = Task::None;
                client.send(&in_vain(why));
            }
        }
    }

    fn end_clears(&mut self) {
        for client in &mut self.clients {
            if let Task::Clear(clearing) = &client.task
                && clearing.pending.is_empty()
            {
                let exit = u8::from(clearing.failed);
                client.task = Task::None;
                client.send(&Reply::End(End { exit, error: None }));
            }
        }
    }
}

/// The answer where nothing can be cleared.
fn in_vain(why: &str) -> Reply {
    let error = format!("only the logger clears logs, and none stays ({why}): see the log");
    Reply::failed(exit::FAILED, error)
}
