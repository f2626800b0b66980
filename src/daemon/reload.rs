//! The configuration, read again: all of it is applied, or nothing.

use super::identities::Identities;
use super::texts::Texts;
use super::{Daemon, check, source};
use crate::config::{Changes, Config, Level, LogTarget, Problem, Problems, diff};
use crate::protocol::{EventName, PlanRow, ProblemRow, Reply};
use crate::supervisor::Plan;
use crate::sys::{memory, process};

/// What was read, and is not applied yet.
struct Read {
    config: Config,
    texts: Texts,
    identities: Identities,
}

impl Daemon {
    /// `reload`: the answer tells the problems, or the plan.
    pub(super) fn reload(&mut self, dry_run: bool) -> Vec<Reply> {
        let answer = self.read_and_apply(dry_run);
        memory::give_back();
        answer
    }

    fn read_and_apply(&mut self, dry_run: bool) -> Vec<Reply> {
        if self.supervisor.is_shutting_down() {
            if !dry_run {
                self.log_failed("the daemon is shutting down");
            }
            return vec![Reply::failed(1, "the daemon is shutting down: nothing is reloaded")];
        }
        let read = match self.read_again() {
            Ok(read) => read,
            Err(problems) if dry_run => return refusal(&problems),
            Err(problems) => {
                self.tell_problems(&problems);
                return refusal(&problems);
            }
        };
        if !dry_run && let Err(error) = self.change_log(&read.config) {
            self.reload_failed(&error);
            return vec![Reply::failed(1, format!("nothing was changed: {error}"))];
        }
        let warnings = self.warnings(&read.config, &read.texts, &read.identities);
        if !dry_run {
            warnings.iter().for_each(|warning| self.warn(warning));
        }
        let mut answer: Vec<Reply> =
            warnings.into_iter().map(|warning| problem(true, warning, None)).collect();
        let changes = diff(&self.config, &read.config);
        let plan = self.supervisor.plan(&read.config, &changes);
        answer.extend(plan_rows(&plan, &changes));
        if changes.is_empty() {
            answer.push(Reply::Text("nothing has changed".to_owned()));
        }
        if !dry_run {
            self.apply(read, plan, &changes);
        }
        answer.push(Reply::DONE);
        answer
    }

    /// `check`: the problems of the file that the daemon runs on.
    pub(super) fn check_file(&mut self) -> Vec<Reply> {
        let read = match self.read_again() {
            Ok(read) => read,
            Err(problems) => return problem_rows(&problems, "the configuration has problems"),
        };
        let warnings = self.warnings(&read.config, &read.texts, &read.identities);
        let mut answer: Vec<Reply> =
            warnings.into_iter().map(|warning| problem(true, warning, None)).collect();
        answer.push(Reply::Text(check::summary(&read.config)));
        answer.push(Reply::DONE);
        answer
    }

    /// Reads the file, and looks up the users that it names. The daemon stays as it is.
    fn read_again(&self) -> Result<Read, Problems> {
        let (mut config, texts) = source::load_and_keep(&self.config.file, &self.surroundings)?;
        let (old, new) = (&self.config.daemon, &mut config.daemon);
        // The state folder moves at the next start, and with it the log that lies there by default.
        if new.log.target == LogTarget::in_state_dir(&new.state_dir) {
            new.log.target = LogTarget::in_state_dir(&old.state_dir);
            if !self.state_dir.is_there() {
                new.log.target = LogTarget::Stderr;
            }
        }
        let identities = Identities::look_up(&config);
        Ok(Read { config, texts, identities })
    }

    fn tell_problems(&mut self, problems: &Problems) {
        for problem in &problems.list {
            self.log(Level::Error, &problem.to_string(), &[]);
        }
        let count = problems.list.len() + problems.more;
        let plural = if count == 1 { "problem" } else { "problems" };
        self.reload_failed(&format!("{count} {plural}"));
    }

    fn reload_failed(&mut self, why: &str) {
        let message = self.log_failed(why);
        let event = self.daemon_event(EventName::ReloadFailed, message);
        self.publish(&event);
    }

    fn log_failed(&mut self, why: &str) -> String {
        let message = format!("reload failed, nothing was changed: {why}");
        self.log(Level::Error, &message, &[]);
        message
    }

    fn apply(&mut self, read: Read, plan: Plan, changes: &Changes) {
        let Read { mut config, texts, identities } = read;
        self.texts = texts;
        self.kitchen.identities = identities;
        self.log(Level::Info, "reloaded", &[("changes", &plan.0.len().to_string())]);
        for row in plan_rows(&plan, changes) {
            if let Reply::Plan(row) = row {
                let name = row.name.as_deref().map(|name| ("name", name));
                let facts: Vec<_> = name.into_iter().chain([("action", &*row.action)]).collect();
                self.log(Level::Info, "reload", &facts);
            }
        }
        self.supervisor.apply(plan, &config, changes, self.now);
        let changed = changes.changed.iter().filter(|change| {
            !change.restarts && change.keys.iter().any(|key| ["stdout", "stderr"].contains(key))
        });
        let changed: Vec<_> = changed.map(|change| change.name.clone()).collect();
        self.change_captures(&changed);
        let is_probed = |key: &&str| ["ready", "health"].contains(key);
        let probed = changes.changed.iter().filter(|change| change.keys.iter().any(is_probed));
        self.change_probes(&probed.map(|change| change.name.clone()).collect::<Vec<_>>());
        self.apply_to_daemon(&mut config);
        self.config.become_like(config);
        if changes.reports.contains(&"mail") {
            self.change_mail();
        }
        self.rewrite_journal();
        let message = format!("{} applied", self.config.file.display());
        let event = self.daemon_event(EventName::Reloaded, message);
        self.publish(&event);
        self.rows_changed();
        (0..self.clients.len()).for_each(|index| self.answer_in_vain(index));
    }

    /// The daemon's own settings. Those that count from the next start on stay as they are, so that a
    /// later reload tells of them again.
    fn apply_to_daemon(&mut self, config: &mut Config) {
        let old = &self.config.daemon;
        let new = &mut config.daemon;
        if old.umask != new.umask {
            process::set_umask(new.umask.unwrap_or(self.umask));
        }
        new.listen = old.listen;
        new.state_dir.clone_from(&old.state_dir);
        new.secret_file.clone_from(&old.secret_file);
        new.user.clone_from(&old.user);
    }

    /// The new place of the log, before anything else: where it cannot be had, nothing is changed.
    fn change_log(&mut self, config: &Config) -> Result<(), String> {
        if self.config.daemon.log == config.daemon.log {
            return Ok(());
        }
        self.log.reopen(&config.daemon.log)
    }

    /// USR1: somebody has moved the file away.
    pub(super) fn reopen_log(&mut self) {
        let settings = self.config.daemon.log.clone();
        if let Err(error) = self.log.reopen(&settings) {
            self.log(Level::Error, &error, &[]);
        }
        self.captures.reopen();
        self.log(Level::Info, "SIGUSR1: logs reopened", &[]);
    }
}

fn refusal(problems: &Problems) -> Vec<Reply> {
    problem_rows(problems, "nothing was changed: the configuration has problems")
}

fn problem_rows(problems: &Problems, verdict: &str) -> Vec<Reply> {
    let row = |p: &Problem| problem(false, p.to_string(), p.excerpt());
    let mut answer: Vec<Reply> = problems.list.iter().map(row).collect();
    answer.extend(problems.rest().map(|rest| problem(false, rest, None)));
    answer.push(Reply::failed(1, verdict));
    answer
}

fn problem(warning: bool, message: String, excerpt: Option<String>) -> Reply {
    Reply::Problem(ProblemRow { warning, message, excerpt })
}

fn plan_rows(plan: &Plan, changes: &Changes) -> Vec<Reply> {
    let row = |name: Option<String>, action: String| Reply::Plan(PlanRow { name, action });
    let steps = plan.0.iter().map(|step| row(Some(step.name.clone()), step.action.clone()));
    let later = changes
        .at_next_start
        .iter()
        .map(|key| row(None, format!("daemon.{key} takes effect when the daemon is next started")));
    let now = changes.in_place.iter().map(|key| row(None, format!("daemon.{key} changed")));
    let reports = changes.reports.iter().map(|key| row(None, format!("{key} changed")));
    steps.chain(later).chain(now).chain(reports).collect()
}
