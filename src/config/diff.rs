//! The difference that a reload makes. Compared are effective values.

use super::keys::{Key, PROGRAM_KEYS};
use super::{Config, Daemon, Program};
use std::rc::Rc;

/// What is different between two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Programs that are new.
    pub added: Vec<Rc<str>>,
    /// Programs that are gone.
    pub removed: Vec<Rc<str>>,
    /// Programs that are in both, and not the same.
    pub changed: Vec<ProgramChange>,
    /// Keys of `daemon:` that take effect at its next start.
    pub at_next_start: Vec<&'static str>,
    /// Keys of `daemon:` that take effect at once.
    pub in_place: Vec<&'static str>,
    /// Of `mail` and `hooks`, those that are different: they, too, take effect at once.
    pub reports: Vec<&'static str>,
}

/// What is different about a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramChange {
    /// Its name.
    pub name: Rc<str>,
    /// Whether its processes are restarted.
    pub restarts: bool,
    /// The keys whose effective values differ. A change of `daemon.env` shows as `env`,
    /// one of `daemon.umask` as `umask`.
    pub keys: Vec<&'static str>,
    /// How many processes it had and has.
    pub numprocs: (u32, u32),
}

impl Changes {
    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        *self == Changes::default()
    }
}

/// What is different in `new`.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let only_in = |one: &Config, other: &Config| {
        let programs = one.programs.iter().filter(|(name, _)| !other.programs.contains_key(*name));
        programs.map(|(_, program)| Rc::clone(&program.name)).collect()
    };
    let both = |(name, new): (&Rc<str>, _)| Some((old.programs.get(name)?, new));
    Changes {
        added: only_in(new, old),
        removed: only_in(old, new),
        changed: new
            .programs
            .iter()
            .filter_map(both)
            .filter_map(|(old, new): (_, &Rc<Program>)| change(old, new))
            .collect(),
        at_next_start: daemon_keys(&old.daemon, &new.daemon, |a, b| {
            vec![
                ("listen", a.listen != b.listen),
                ("state_dir", a.state_dir != b.state_dir),
                ("secret_file", a.secret_file != b.secret_file),
                ("user", a.user != b.user),
            ]
        }),
        in_place: daemon_keys(&old.daemon, &new.daemon, |a, b| {
            vec![
                ("log", a.log != b.log),
                ("umask", a.umask != b.umask),
                ("shutdown_time", a.shutdown_time != b.shutdown_time),
                ("exit_when", a.exit_when != b.exit_when),
            ]
        }),
        reports: reports(old, new),
    }
}

fn reports(old: &Config, new: &Config) -> Vec<&'static str> {
    let differ = [("mail", old.mail != new.mail), ("hooks", old.hooks != new.hooks)];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

fn daemon_keys(
    old: &Daemon,
    new: &Daemon,
    compare: impl Fn(&Daemon, &Daemon) -> Vec<(&'static str, bool)>,
) -> Vec<&'static str> {
    compare(old, new).into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

fn change(old: &Program, new: &Program) -> Option<ProgramChange> {
    if old == new {
        return None;
    }
    let keys: Vec<&Key> = PROGRAM_KEYS.iter().filter(|key| differs(key.name, old, new)).collect();
    Some(ProgramChange {
        name: Rc::clone(&new.name),
        restarts: keys.iter().any(|key| key.restarts && !moves_by_itself(key.name, old, new)),
        keys: keys.iter().map(|key| key.name).collect(),
        numprocs: (old.numprocs, new.numprocs),
    })
}

/// Whether the logger changes over by itself: from one captured output to another.
fn moves_by_itself(key: &str, old: &Program, new: &Program) -> bool {
    let (old, new) = (&old.launch, &new.launch);
    match key {
        "stdout" => old.stdout.is_captured() && new.stdout.is_captured(),
        "stderr" => old.stderr.is_captured() && new.stderr.is_captured(),
        _ => false,
    }
}

/// Whether what a key of [`PROGRAM_KEYS`] says is different.
pub(super) fn differs(key: &str, old: &Program, new: &Program) -> bool {
    let (policy, launch) = (&old.policy, &old.launch);
    match key {
        "numprocs" => old.numprocs != new.numprocs,
        "autostart" => policy.autostart != new.policy.autostart,
        "autorestart" => policy.autorestart != new.policy.autorestart,
        "exitcodes" => policy.exitcodes != new.policy.exitcodes,
        "starttime" => policy.starttime != new.policy.starttime,
        "startretries" => policy.startretries != new.policy.startretries,
        "backoff" => policy.backoff != new.policy.backoff,
        "stopsignal" => policy.stopsignal != new.policy.stopsignal,
        "stoptime" => policy.stoptime != new.policy.stoptime,
        "stopasgroup" => policy.stopasgroup != new.policy.stopasgroup,
        "max_restarts" => policy.max_restarts != new.policy.max_restarts,
        "depends_on" => policy.depends_on != new.policy.depends_on,
        "ready" => policy.ready != new.policy.ready,
        "health" => policy.health != new.policy.health,
        "critical" => policy.critical != new.policy.critical,
        "cmd" => launch.cmd != new.launch.cmd,
        "stdout" => launch.stdout != new.launch.stdout,
        "stderr" => launch.stderr != new.launch.stderr,
        "env" => {
            launch.attributes.env != new.launch.attributes.env
                || launch.attributes.base_env != new.launch.attributes.base_env
        }
        "env_file" => launch.attributes.env_file != new.launch.attributes.env_file,
        "inherit_env" => launch.attributes.inherit_env != new.launch.attributes.inherit_env,
        "workingdir" => launch.attributes.workingdir != new.launch.attributes.workingdir,
        "umask" => launch.attributes.umask != new.launch.attributes.umask,
        "user" => launch.attributes.user != new.launch.attributes.user,
        "group" => launch.attributes.group != new.launch.attributes.group,
        "limits" => launch.attributes.limits != new.launch.attributes.limits,
        "nice" => launch.attributes.nice != new.launch.attributes.nice,
        "mail" => old.mail != new.mail,
        "oom_score_adj" => launch.attributes.oom_score_adj != new.launch.attributes.oom_score_adj,
        "no_new_privs" => launch.attributes.no_new_privs != new.launch.attributes.no_new_privs,
        _ => false,
    }
}
