//! The state of a daemon, gathered for the next version of it, and taken up by that.

use std::collections::HashMap;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::rc::Rc;

use super::client::{Client, Task};
use super::handover::{Handover, KeptProcess, Settings};
use super::identities::Identities;
use super::journal::{Up, base};
use super::log::EventLog;
use super::start::Parts;
use super::state_dir::StateDir;
use super::{Daemon, Options, Refusal, adopt, cannot};
use crate::config::Level;
use crate::protocol::hello::Secret;
use crate::protocol::{EventName, PROTOCOL, Reply};
use crate::sys::handover::inherited;
use crate::sys::pidfd::PidFd;
use crate::sys::{cause, process, random};

impl Daemon {
    /// All that it knows and that no file tells.
    pub(super) fn hand_over(&self) -> Handover {
        let (base, daemon) = (base(), &self.config.daemon);
        let processes = self.supervisor.ids().filter_map(|id| self.supervisor.get(id));
        let keep = |process: &crate::supervisor::Process| KeptProcess {
            is: process.snapshot(base),
            up: self.up_as_now(process),
            past: process.past.clone(),
        };
        let disabled = self.supervisor.disabled().iter();
        Handover {
            from: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            settings: Settings {
                texts: self.texts.clone(),
                file: self.config.file.clone(),
                root: self.surroundings.root,
                cwd: self.surroundings.cwd.clone(),
                listen: daemon.listen,
                state_dir: daemon.state_dir.clone(),
                secret_file: daemon.secret_file.clone(),
                user: daemon.user.clone(),
                umask: self.umask,
                limits: self.kitchen.given(),
            },
            secret: self.secret.bytes().to_vec(),
            listener: self.listener.as_ref().map(AsRawFd::as_raw_fd),
            lock: self.state_dir.lock().map(|lock| lock.as_raw_fd()),
            processes: processes.map(keep).collect(),
            disabled: disabled.map(|(program, index)| (program.to_string(), *index)).collect(),
            adopted: self.adopted.keep(),
            reports: self.reports.iter().map(|(pid, fd)| (*pid, fd.as_raw_fd())).collect(),
            probes: self.probes.keep(&self.supervisor, base),
            strays: self.strays.known().collect(),
            streams: self.captures.keep(),
            last_stream: self.captures.last_id,
            lost_before: self.captures.keep_lost(),
            logger: self.captures.keep_logger(),
            clients: self.clients.iter().map(|c| c.keep(&self.supervisor, base)).collect(),
            mail: self.untold(),
        }
    }

    /// What is on record of a live process, with what a reload has changed since.
    pub(super) fn up_as_now(&self, process: &crate::supervisor::Process) -> Option<Up> {
        let (pid, _) = process.state.process()?;
        Some(self.journal.up_of(process)?.as_up(pid, self.launch_record(process, 0)))
    }

    /// A daemon that goes on from this state.
    pub(super) fn resume(options: &Options, state: Handover) -> Result<Self, Refusal> {
        let config = state.config().map_err(cannot)?;
        let fd = |error: std::io::Error| cannot(format!("taking up: {}", cause(&error)));
        let echo = (!options.detach).then_some(Level::Debug);
        let log = EventLog::resume(&config.daemon.log, echo);
        let lock = state.lock.map(inherited).transpose().map_err(fd)?;
        let listener = state.listener.map(inherited).transpose().map_err(fd)?;
        let secret = Secret::from_file(&state.secret).ok_or_else(|| cannot("no secret"))?;
        process::set_umask(config.daemon.umask.unwrap_or(state.settings.umask));
        let mut daemon = Self::assemble(
            Parts {
                surroundings: state.surroundings(std::env::vars_os()),
                texts: state.settings.texts.clone(),
                limits: state.settings.limits,
                umask: state.settings.umask,
                listener: listener.map(TcpListener::from),
                seed: random::nonce().map_err(fd)?,
                state_dir: StateDir::resume(&config.daemon, lock).map_err(cannot)?,
                secret,
                log,
            },
            &config,
        )?;
        daemon.kitchen.identities = Identities::look_up(&config);
        daemon.config = config;
        daemon.change_mail();
        let from = state.from.clone();
        daemon.take_up_state(state).map_err(fd)?;
        daemon.tell_of_upgrade(&from);
        // The logger has the new version as well, once the old one has moved what there is.
        daemon.captures.replace_logger();
        daemon.reap();
        daemon.supervisor.look_around(daemon.now);
        daemon.watch_all();
        daemon.rewrite_journal();
        Ok(daemon)
    }

    fn take_up_state(&mut self, state: Handover) -> std::io::Result<()> {
        let base = base();
        let disabled = state.disabled.into_iter();
        let disabled = disabled.map(|(program, index)| (Rc::from(program), index)).collect();
        self.supervisor.set_disabled(disabled);
        for KeptProcess { is, up, past } in state.processes {
            let configured = self.config.programs.get(&*is.program).cloned();
            let departed = || up.as_ref().map(|up| adopt::departed(up, &self.config.daemon));
            if let Some(program) = configured.or_else(departed) {
                let id = self.supervisor.restore(&program, &is, base, self.now);
                self.supervisor.recall(id, past);
            }
            if let Some(up) = up {
                if is.state.was_asked() {
                    self.journal.was_asked(up.pid);
                }
                self.journal.remember(up);
            }
        }
        self.supervisor.take_up_order(&self.config);
        for (fd, pid, seen) in state.adopted {
            self.adopted.add(PidFd::from_parts(inherited(fd)?, pid, seen))?;
            self.await_adopted_exec(pid);
        }
        let reports = state.reports.into_iter();
        let reports = reports.map(|(pid, fd)| Ok((pid, inherited(fd)?)));
        self.reports = reports.collect::<std::io::Result<HashMap<_, _>>>()?;
        self.probes.take_up(state.probes, &self.supervisor, base)?;
        self.take_up_untold(state.mail);
        self.strays.take_up(state.strays);
        self.strays.look_soon(self.now.at);
        self.captures.take_up(state.streams, state.last_stream, state.logger)?;
        self.captures.take_up_lost(state.lost_before);
        for kept in state.clients {
            let mut client = Client::take_up(kept, &self.supervisor, base)?;
            if state.protocol != PROTOCOL {
                client.part();
            }
            self.clients.push(client);
        }
        Ok(())
    }

    fn tell_of_upgrade(&mut self, from: &str) {
        let to = env!("CARGO_PKG_VERSION");
        self.log(Level::Info, "upgraded", &[("from", from), ("to", to)]);
        let message = format!("upgraded from {from} to {to}");
        let event = self.daemon_event(EventName::Upgraded, message.clone());
        self.publish(&event);
        for client in &mut self.clients {
            if matches!(client.task, Task::Upgrade) {
                client.task = Task::None;
                client.send(&Reply::Text(message.clone()));
                client.send(&Reply::DONE);
            }
        }
    }
}
