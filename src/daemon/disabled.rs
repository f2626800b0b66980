//! `disable` and `enable`: what is written down in the state folder before it is done, and so
//! outlasts the daemon and the machine's being up.

pub(super) mod text;

use std::path::Path;

use super::commands::{Answer, exit};
use super::{Daemon, Goal};
use crate::config::Level;
use crate::protocol::{Reply, ResultRow, Wait};
use crate::supervisor::{Disabled, Id};
use crate::sys::{cause, files};
use text::{read, to_text};

/// The file in the state folder.
const NAME: &str = "disabled";

/// The most that it may hold, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

fn write(path: &Path, disabled: &Disabled) -> std::io::Result<()> {
    files::write_durably(path, to_text(disabled).as_bytes())
}

impl Daemon {
    /// Reads who is disabled, before anything is started.
    pub(super) fn read_disabled(&mut self) {
        let path = self.state_dir.folder().join(NAME);
        let (disabled, trouble) =
            match files::open_regular(&path).and_then(|f| files::read_text(f, LIMIT)) {
                Ok(text) => {
                    let (disabled, bad) = read(&text);
                    (disabled, (bad > 0).then(|| format!("{bad} damaged lines")))
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
                Err(error) => (Disabled::new(), Some(cause(&error))),
            };
        if let Some(trouble) = trouble {
            let message =
                format!("{}: {trouble}; what was disabled may be started", path.display());
            self.log(Level::Error, &message, &[]);
        }
        self.supervisor.set_disabled(disabled);
    }

    /// `disable`, or `enable`: answers for each when it is stopped, or runs.
    pub(super) fn set_enabled(&mut self, index: usize, selectors: &[String], enabled: bool) {
        if self.supervisor.is_shutting_down() {
            let error = "the daemon is shutting down: nothing was done";
            return self.reply(index, vec![Reply::failed(exit::FAILED, error)]);
        }
        let ids = match self.select(selectors) {
            Ok(ids) => ids,
            Err(answer) => return self.reply(index, answer),
        };
        let (changed, same) = self.that_change(&ids, enabled);
        if let Err(answer) = self.write_disabled(&changed, enabled) {
            return self.reply(index, answer);
        }
        let message = if enabled { "is not disabled" } else { "is disabled already" };
        let row = |name| Reply::Result(ResultRow { name, ok: true, message: message.to_owned() });
        self.reply(index, same.into_iter().map(row).collect());
        let goal = if enabled { Goal::Start } else { Goal::Stop };
        self.ask_for(index, changed, goal, Wait::Forever);
    }

    /// Those that are not as they are to be; and the names of the others.
    fn that_change(&self, ids: &[Id], enabled: bool) -> (Vec<Id>, Vec<String>) {
        let (mut changed, mut same) = (Vec::new(), Vec::new());
        for id in ids {
            match self.supervisor.get(*id) {
                Some(process) if process.is_disabled() == enabled => changed.push(*id),
                Some(process) => same.push(process.name()),
                None => {}
            }
        }
        (changed, same)
    }

    fn write_disabled(&mut self, changed: &[Id], enabled: bool) -> Result<(), Answer> {
        let mut disabled = self.supervisor.disabled().clone();
        for process in changed.iter().filter_map(|id| self.supervisor.get(*id)) {
            let key = (process.program.name.clone(), process.index);
            if enabled {
                disabled.remove(&key);
            } else {
                disabled.insert(key);
            }
        }
        let path = self.state_dir.folder().join(NAME);
        // Where the folder was removed, another of its name may be another daemon's.
        let kept = self.keep_folder();
        let written = kept.and_then(|()| write(&path, &disabled).map_err(|error| cause(&error)));
        written.map_err(|why| {
            let error = format!("writing {}: {why}: nothing was done", path.display());
            vec![Reply::failed(exit::FAILED, error)]
        })?;
        let word = if enabled { "enabled" } else { "disabled" };
        let names = changed.iter().filter_map(|id| Some(self.supervisor.get(*id)?.name()));
        for name in names.collect::<Vec<_>>() {
            self.log(Level::Info, word, &[("name", &name)]);
        }
        self.supervisor.set_disabled(disabled);
        Ok(())
    }
}
