//! Doing what the supervisor has decided: each effect is a system call or a message, and what
//! comes of it goes back as an event.

use super::capture::Which;
use super::journal::Entry;
use super::turn::{EFFECTS_A_TURN, LAUNCHES_A_TURN};
use super::{Daemon, recipe, words};
use crate::config::Level;
use crate::supervisor::{Change, Effect, Event, Id, Stage, State};
use crate::sys::{cause, identity, signals};

impl Daemon {
    /// Performs effects, launches last, as many as a turn may.
    pub(super) fn perform(&mut self) {
        self.perform_some();
        // One write to the journal for all that was sent in a turn, not a thousand: should the
        // daemon be killed in between, the next one asks once more, which does no harm.
        let asked = std::mem::take(&mut self.asked);
        self.note(&asked);
    }

    fn perform_some(&mut self) {
        let mut launches = 0;
        for _ in 0..EFFECTS_A_TURN {
            // What a launch has changed is told in its own turn, which bears its time.
            if launches == LAUNCHES_A_TURN && self.supervisor.is_launch_next() {
                return;
            }
            let Some(effect) = self.supervisor.next_effect() else { return };
            launches += usize::from(matches!(effect, Effect::Spawn(_)));
            match effect {
                Effect::Spawn(id) => {
                    self.spawn(id);
                    // Before anybody is told.
                    self.write_journal();
                }
                Effect::Signal { id, pid, signal, group } => self.signal(id, pid, signal, group),
                Effect::Rolled { roll, id, what } => self.rolled(roll, id, &what),
                Effect::Unhealthy(id, pid) => self.unhealthy(id, pid),
                Effect::Told { id, change, number } => self.tell(id, &change, number),
                Effect::Forgotten { id, name, program, index } => {
                    for which in [Which::Stdout, Which::Stderr] {
                        self.captures.close(&(program.clone(), index, which), Some(&name));
                    }
                    self.row_gone(id, &name, &program, index);
                    self.probes.drop(id);
                    self.log(Level::Info, "removed", &[("name", &name)]);
                    self.gone(id, &name, &program, index);
                }
            }
        }
    }

    fn spawn(&mut self, id: Id) {
        // What it depends on may have ended meanwhile.
        if !self.supervisor.wants_spawn(id, self.now) {
            return;
        }
        let Some(process) = self.supervisor.get(id) else { return };
        let State::Spawning { retries, .. } = process.state else { return };
        let user = self.user_of(&process.program, process.index);
        let voice = self.probes.prepare(id, process, user);
        let prepare = |voice| self.kitchen.prepare(process, &mut self.captures, voice);
        let prepared = voice.and_then(prepare);
        let mut up = self.launch_record(process, retries);
        up.post = self.probes.post_number(id);
        let launched = prepared.and_then(|mut prepared| {
            prepared.recipe.record = self.journal.record(&up);
            // Where its output goes is told before it can print.
            self.captures.flush(self.now.at);
            let launched = self.launcher.launch(&prepared.recipe, prepared.mode);
            launched.map_err(|failure| recipe::explain(&failure, process))
        });
        // Launches take time, and there may be many in a turn: each counts from its own moment.
        self.read_clock();
        match launched {
            Ok(child) => {
                self.number_was_given_away(child.pid);
                up.pid = child.pid;
                if let Some(seen) = identity::moment() {
                    up.seen = seen;
                    self.journal.remember(up);
                }
                let mut event = Event::Spawned(child.pid);
                if let Some(report) = child.report {
                    self.reports.insert(child.pid, report);
                    event = Event::Forked(child.pid);
                }
                self.probes.launched(id, child.pid);
                self.supervisor.event(id, event, self.now);
            }
            Err(reason) => self.supervisor.spawn_failed(id, reason, self.now),
        }
    }

    fn signal(&mut self, id: Id, pid: i32, signal: i32, group: bool) {
        // Between the decision and now the process may have been reaped.
        let live = self.supervisor.get(id).and_then(|process| process.state.process());
        if live.is_none_or(|(live, _)| live != pid) {
            return;
        }
        let sent = self.send(pid, signal, group);
        if group && signal == signals::KILL {
            self.strays.group_killed(pid, self.now.at);
        }
        self.note_stop(id);
        match sent {
            Ok(()) => self.mind_lingering(id),
            Err(error) => {
                let name = self.supervisor.get(id).map(|process| process.name());
                let message = format!("sending {}: {}", words::signal_name(signal), cause(&error));
                self.log(Level::Error, &message, &[("name", &name.unwrap_or_default())]);
            }
        }
    }

    /// Sends a signal to a live process, or to its whole group.
    pub(super) fn send(&self, pid: i32, signal: i32, group: bool) -> std::io::Result<()> {
        match self.adopted.get(pid) {
            Some(process) => process.send(signal, group),
            None => signals::send(pid, signal, group),
        }
    }

    /// Should the next daemon find it on its way out, it need not ask once more.
    fn note_stop(&mut self, id: Id) {
        let Some(process) = self.supervisor.get(id) else { return };
        if let State::Stopping { pid, stage: Stage::Asked(_), .. } = process.state {
            let (program, index) = (process.program.name.clone(), process.index);
            self.journal.was_asked(pid);
            self.asked.push(Entry::Asked { program, index, pid });
        }
    }

    /// A state has changed: the log, those who follow, and those who wait are told.
    fn tell(&mut self, id: Id, change: &Change, number: u64) {
        self.follow_probes(id);
        let Some(process) = self.supervisor.get(id) else { return };
        let event = words::event(&self.supervisor, process, change, self.now.at, self.now.wall);
        let (name, message) = (process.name(), event.message.clone());
        let pid = change.pid.map(|pid| pid.to_string());
        let mut facts = vec![("name", name.as_str())];
        facts.extend(pid.as_deref().map(|pid| ("pid", pid)));
        facts.push(("reason", message.as_str()));
        let word = change.to.name().as_str().to_lowercase();
        if change.from != change.to.name() {
            self.log(words::level(change), &word, &facts);
            self.publish(&event);
        }
        self.row_changed(id);
        self.told(id, change, number);
    }

    fn unhealthy(&mut self, id: Id, pid: i32) {
        let Some(process) = self.supervisor.get(id) else { return };
        let event = words::unhealthy(process, pid, self.now.wall);
        let (name, pid) = (process.name(), pid.to_string());
        let facts = [("name", name.as_str()), ("pid", &pid), ("reason", &event.message)];
        self.log(Level::Warning, "unhealthy", &facts);
        self.publish(&event);
    }
}
