//! Clients that watch: `status -w`.
//!
//! They get the rows they asked for, and then the row of each process that changes. What has
//! changed is noted, and sent at the end of the turn as the row is by then: so one that reads
//! slowly gets fewer rows, never old ones, and nothing piles up for it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::client::{Client, Task};
use super::{Daemon, words};
use crate::protocol::{GoneRow, Reply, Row};
use crate::supervisor::{Id, Process, Supervisor};

/// What a client watches, and what it has still to be told.
#[derive(Debug)]
pub(super) struct Watching {
    /// As they were typed; none: all.
    selectors: Vec<String>,
    /// The processes that it has been told of.
    shown: BTreeSet<Id>,
    /// Those of them that have changed since.
    changed: BTreeSet<Id>,
    /// Those that are no more, by program and number: one that comes and goes again and again, for
    /// who does not read it, is gone once.
    gone: BTreeMap<(String, u32), GoneRow>,
}

/// What is sent at once.
struct Batch {
    gone: Vec<GoneRow>,
    changed: BTreeSet<Id>,
    /// How many processes there are with that.
    count: usize,
}

impl Watching {
    fn batch(&mut self) -> Option<Batch> {
        if self.changed.is_empty() && self.gone.is_empty() {
            return None;
        }
        Some(Batch {
            gone: std::mem::take(&mut self.gone).into_values().collect(),
            changed: std::mem::take(&mut self.changed),
            count: self.shown.len(),
        })
    }

    /// What it watches and has not been told of, for the next version.
    pub(super) fn keep(&self) -> (Vec<String>, Vec<GoneRow>) {
        (self.selectors.clone(), self.gone.values().cloned().collect())
    }

    /// It goes on: every row is told once more.
    pub(super) fn take_up(
        selectors: Vec<String>,
        gone: Vec<GoneRow>,
        supervisor: &Supervisor,
    ) -> Self {
        let shown = matching(supervisor, &selectors);
        let mut watching = Self::new(selectors, shown.clone());
        watching.changed = shown;
        gone.into_iter().for_each(|row| watching.lose(row));
        watching
    }

    fn new(selectors: Vec<String>, shown: BTreeSet<Id>) -> Self {
        Self { selectors, shown, changed: BTreeSet::new(), gone: BTreeMap::new() }
    }

    fn lose(&mut self, row: GoneRow) {
        self.gone.insert((row.program.clone(), row.index), row);
    }

    /// A new configuration: who matches may be others, and all of them may be different.
    fn match_again(&mut self, supervisor: &Supervisor) {
        let shown = matching(supervisor, &self.selectors);
        // One that is renamed need not match any more. Who is removed is told of when it is gone.
        let strays = self.shown.difference(&shown).filter_map(|id| supervisor.get(*id));
        let strays: Vec<GoneRow> = strays.map(gone_row).collect();
        strays.into_iter().for_each(|row| self.lose(row));
        self.changed.clone_from(&shown);
        self.shown = shown;
    }
}

/// The processes that any of the selectors means. One that means none means none.
fn matching(supervisor: &Supervisor, selectors: &[String]) -> BTreeSet<Id> {
    if selectors.is_empty() {
        return supervisor.ids().collect();
    }
    supervisor.select_known(selectors)
}

fn gone_row(process: &Process) -> GoneRow {
    GoneRow {
        name: process.name(),
        program: process.program.name.to_string(),
        index: process.index,
    }
}

impl Daemon {
    /// Answers with rows, and goes on with what changes.
    pub(super) fn watch(&mut self, index: usize, selectors: Vec<String>) {
        let ids = match self.select(&selectors) {
            Ok(ids) => ids,
            Err(answer) => return self.reply(index, answer),
        };
        let rows = ids.iter().filter_map(|id| self.watched_row(*id)).map(Reply::Status);
        let answer = rows.chain([Reply::Current(ids.len())]).collect();
        self.reply(index, answer);
        if let Some(client) = self.clients.get_mut(index) {
            client.task = Task::Watch(Watching::new(selectors, ids.into_iter().collect()));
        }
    }

    /// A row that stays true until the next one: it counts no time down.
    fn watched_row(&self, id: Id) -> Option<Row> {
        let process = self.supervisor.get(id)?;
        let description = words::lasting_description(&self.supervisor, process, self.now);
        Some(Row { description, ..self.row(process) })
    }

    /// The row of this process is another; and so may be those that tell of it.
    pub(super) fn row_changed(&mut self, id: Id) {
        if self.clients.iter_mut().all(|client| client.watching().is_none()) {
            return;
        }
        let beside = self.supervisor.beside(id);
        for id in beside.into_iter().chain([id]) {
            self.one_row_changed(id);
        }
    }

    fn one_row_changed(&mut self, id: Id) {
        for watching in self.clients.iter_mut().filter_map(Client::watching) {
            if watching.shown.contains(&id) {
                watching.changed.insert(id);
            }
        }
    }

    /// The process that had this number is no more.
    pub(super) fn row_gone(&mut self, id: Id, name: &str, program: &Rc<str>, index: u32) {
        // Its name may have been given again already: then there is a row in its place.
        let replaced = self.supervisor.find(program, index);
        for watching in self.clients.iter_mut().filter_map(Client::watching) {
            let other = replaced.is_some_and(|id| watching.shown.contains(&id));
            watching.changed.remove(&id);
            if watching.shown.remove(&id) && !other {
                let (name, program) = (name.to_owned(), program.to_string());
                watching.lose(GoneRow { name, program, index });
            }
        }
    }

    /// The configuration is another.
    pub(super) fn rows_changed(&mut self) {
        for watching in self.clients.iter_mut().filter_map(Client::watching) {
            watching.match_again(&self.supervisor);
        }
    }

    /// Tells those who watch what has changed, if they have read what they were told before.
    pub(super) fn tell_watchers(&mut self) {
        for index in 0..self.clients.len() {
            let client = self.clients.get_mut(index).filter(|client| client.has_room());
            let Some(batch) = client.and_then(|client| client.watching()?.batch()) else {
                continue;
            };
            let gone = batch.gone.into_iter().map(Reply::Gone);
            let rows = batch.changed.into_iter().filter_map(|id| self.watched_row(id));
            let answer = gone.chain(rows.map(Reply::Status)).chain([Reply::Current(batch.count)]);
            let answer = answer.collect();
            self.reply(index, answer);
            if let Some(client) = self.clients.get_mut(index) {
                client.flush();
            }
        }
    }
}

impl Client {
    fn watching(&mut self) -> Option<&mut Watching> {
        match &mut self.task {
            Task::Watch(watching) => Some(watching),
            Task::None
            | Task::Wait(_)
            | Task::Follow
            | Task::Tail(_)
            | Task::Clear(_)
            | Task::Shutdown
            | Task::Upgrade => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_goes_again_and_again_is_gone_once_for_who_does_not_read_it() {
        let mut watching = Watching::new(Vec::new(), BTreeSet::new());
        for round in 0..1000 {
            for index in [0, 1] {
                let (name, program) = (format!("web:{index} {round}"), "web".to_owned());
                watching.lose(GoneRow { name, program, index });
            }
        }
        let gone = watching.batch().unwrap().gone;
        let names: Vec<&str> = gone.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["web:0 999", "web:1 999"]);
        assert!(watching.batch().is_none());
    }
}
