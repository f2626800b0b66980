//! Programs: their names, `defaults:` under each, and the keys that speak for themselves.

use super::fields::{self, Fields};
use super::keys::{BACKOFF_KEYS, MAX_RESTARTS_KEYS};
use super::launch::Of;
use super::near::nearest;
use super::probes::some_time;
use super::read::{Reader, items};
use super::tree::{Node, Value};
use super::values::{self, LIMITS, boolean, integer, shown};
use super::{
    Attributes, Autorestart, Backoff, Daemon, Expected, InheritEnv, Launch, Limit, MaxRestarts,
    Output, Policy, Program, Signal, parse_duration,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// All programs by name.
pub(super) type Programs = BTreeMap<Rc<str>, Rc<Program>>;

/// What stands around every program.
pub(super) struct Outer<'o, 's> {
    pub(super) daemon: &'o Daemon,
    pub(super) daemon_env: Fields<'s>,
    /// `defaults:` less its `env`, ...
    defaults: Fields<'s>,
    /// ... which is merged and not replaced.
    pub(super) defaults_env: Fields<'s>,
}

impl<'o, 's> Outer<'o, 's> {
    /// Sorts it out, and reports what is wrong with it whatever the programs say.
    pub(super) fn new(
        reader: &mut Reader<'s>,
        daemon: &'o Daemon,
        daemon_fields: &Fields<'s>,
        mut defaults: Fields<'s>,
    ) -> Outer<'o, 's> {
        let mut env = |field: Option<&fields::Field<'s>>| {
            field.map(|env| fields::named(env.value, &mut reader.report)).unwrap_or_default()
        };
        let daemon_env = env(daemon_fields.get("env"));
        let defaults_env = env(defaults.remove("env").as_ref());
        let outer = Outer { daemon, daemon_env, defaults, defaults_env };
        let mut nobody = unset(Rc::from(""), daemon.umask);
        for (key, field) in &outer.defaults {
            reader.plain_key(key, field.value, &mut nobody);
        }
        reader.launch(Of::Defaults, &outer.defaults, &Fields::new(), &outer, &mut nobody);
        outer
    }
}

/// A program that says nothing, given `daemon.umask`.
pub(super) fn unset(name: Rc<str>, umask: Option<u32>) -> Program {
    Program {
        name,
        numprocs: 1,
        policy: Rc::new(Policy {
            autostart: true,
            autorestart: Autorestart::Unexpected,
            exitcodes: vec![Expected::Code(0)],
            starttime: Duration::from_secs(1),
            startretries: Some(3),
            backoff: Backoff {
                initial: Duration::from_secs(1),
                max: Duration::from_secs(60),
                factor: 2.0,
                jitter: 0.0,
            },
            stopsignal: Signal(libc::SIGTERM),
            stoptime: Duration::from_secs(10),
            stopasgroup: false,
            max_restarts: None,
            depends_on: BTreeMap::new(),
            ready: None,
            health: None,
            critical: false,
        }),
        launch: Launch {
            cmd: Vec::new(),
            attributes: Rc::new(Attributes { umask, ..Attributes::default() }),
            stdout: Output::Auto,
            stderr: Output::Auto,
        },
        mail: None,
    }
}

impl Program {
    /// What is the same in both is kept once.
    fn share_with(&mut self, other: &Program) {
        if self.policy == other.policy {
            self.policy = Rc::clone(&other.policy);
        }
        let attributes = &other.launch.attributes;
        if self.launch.attributes == *attributes {
            self.launch.attributes = Rc::clone(attributes);
        }
    }

    /// One that is configured no more: all that counts of it is how its processes are stopped.
    pub fn departed(
        name: Rc<str>,
        numprocs: u32,
        (stopsignal, stopasgroup, stoptime): (Signal, bool, Duration),
        daemon: &Daemon,
    ) -> Self {
        let mut program = unset(name, daemon.umask);
        program.numprocs = numprocs;
        let policy = Rc::make_mut(&mut program.policy);
        (policy.stopsignal, policy.stopasgroup) = (stopsignal, stopasgroup);
        // What is on record may be none that could be configured.
        policy.stoptime = stoptime.min(values::LONGEST);
        program
    }
}

impl<'s> Reader<'s> {
    /// Reads the programs of all files.
    pub(super) fn programs(&mut self, files: &[Fields<'s>], outer: &Outer<'_, 's>) -> Programs {
        let mut programs = BTreeMap::new();
        let mut first_keys: BTreeMap<&str, &Node> = BTreeMap::new();
        let mut last: Option<Rc<Program>> = None;
        for section in files.iter().filter_map(|fields| fields.get("programs")) {
            for (name, field) in fields::named(section.value, &mut self.report) {
                if let Err(why) = values::program_name(name) {
                    self.report.error(field.key, why);
                }
                if let Some(first) = first_keys.insert(name, field.key) {
                    self.report.error_again(field.key, first, "is there twice");
                }
                if !self.spend(field.key, size_of::<Program>()) {
                    return programs;
                }
                let mut program = self.program(name, field, outer);
                if let Some(last) = &last {
                    program.share_with(last);
                }
                let program = Rc::new(program);
                last = Some(Rc::clone(&program));
                programs.insert(Rc::clone(&program.name), program);
            }
        }
        self.check_order(&programs);
        self.check_beside_auto(&programs);
        // Filled in order, a tree is little more than half full; built at once, it is full.
        programs.into_iter().collect()
    }

    fn program(&mut self, name: &str, field: fields::Field<'s>, outer: &Outer<'_, 's>) -> Program {
        let mut fields = outer.defaults.clone();
        fields.extend(fields::of_program(field.value, &mut self.report));
        let env = fields.remove("env");
        let env = env.map(|env| fields::named(env.value, &mut self.report)).unwrap_or_default();
        let mut program = unset(Rc::from(name), outer.daemon.umask);
        for (key, field) in &fields {
            // Nodes weigh about that much, wherever they end up.
            let weight = (field.value.end - field.value.id) as usize * size_of::<Node>();
            if self.spend(field.value, weight) {
                self.plain_key(key, field.value, &mut program);
            }
        }
        self.launch(Of::Program(name), &fields, &env, outer, &mut program);
        if let Some(field) = fields.get("depends_on") {
            self.keep_edges(&program.name, field.value);
        }
        self.claim_outputs(&program, &fields);
        if !fields.contains_key("cmd") && matches!(field.value.value, Value::Map(_) | Value::Null) {
            let at = if let Value::Null = field.value.value { field.key } else { field.value };
            self.report.error(at, "has no `cmd`, the command to run");
        }
        program
    }

    /// Reads a key whose value stands for itself, and passes over the others.
    fn plain_key(&mut self, key: &str, value: &'s Node, program: &mut Program) {
        let Program { policy, launch, .. } = program;
        let (policy, attributes) = (Rc::make_mut(policy), Rc::make_mut(&mut launch.attributes));
        match key {
            "numprocs" => self.set(&mut program.numprocs, value, |text| integer(text, 1, 10_000)),
            "autostart" => self.set(&mut policy.autostart, value, boolean),
            "autorestart" => self.set(&mut policy.autorestart, value, autorestart),
            "exitcodes" => {
                let ends = items(value).iter().map(|item| self.value(item, values::expected));
                policy.exitcodes = distinct(ends.collect::<Vec<_>>());
            }
            "starttime" => self.set(&mut policy.starttime, value, parse_duration),
            "startretries" => self.set(&mut policy.startretries, value, values::startretries),
            "backoff" => self.backoff(value, &mut policy.backoff),
            "stopsignal" => self.set(&mut policy.stopsignal, value, Signal::parse),
            "stoptime" => self.set(&mut policy.stoptime, value, parse_duration),
            "stopasgroup" => self.set(&mut policy.stopasgroup, value, boolean),
            "max_restarts" => policy.max_restarts = self.max_restarts(value),
            "depends_on" => policy.depends_on = self.depends_on(value),
            "critical" => self.set(&mut policy.critical, value, boolean),
            "inherit_env" => attributes.inherit_env = self.inherit_env(value),
            "umask" => attributes.umask = self.value(value, values::umask),
            "group" => attributes.group = self.text(value),
            "limits" => attributes.limits = self.limits(value),
            "nice" => attributes.nice = self.value(value, |text| integer(text, -20, 19)),
            "oom_score_adj" => {
                attributes.oom_score_adj = self.value(value, |text| integer(text, -1000, 1000));
            }
            "mail" => program.mail = self.mail_on(value),
            "no_new_privs" => self.set(&mut attributes.no_new_privs, value, boolean),
            _ => {}
        }
    }

    fn backoff(&mut self, value: &'s Node, backoff: &mut Backoff) {
        if value.text().is_some() {
            if let Some(delay) = self.value(value, parse_duration) {
                *backoff = Backoff { initial: delay, max: delay, factor: 1.0, jitter: 0.0 };
            }
            return;
        }
        let fields = fields::known(value, BACKOFF_KEYS, &mut self.report);
        let mut delay = |key| self.value(fields.get(key)?.value, parse_duration);
        let (initial, max) = (delay("initial"), delay("max"));
        // Where only one is given, the other's default gives way.
        backoff.initial =
            initial.unwrap_or_else(|| max.map_or(backoff.initial, |max| max.min(backoff.initial)));
        backoff.max = max.unwrap_or_else(|| backoff.max.max(backoff.initial));
        if let Some(field) = fields.get("max")
            && backoff.max < backoff.initial
        {
            self.report.error(field.value, "must not be less than `initial`");
        }
        if let Some(field) = fields.get("factor") {
            self.set(&mut backoff.factor, field.value, |text| {
                values::fraction(text, 1.0, f64::MAX)
            });
        }
        if let Some(field) = fields.get("jitter") {
            self.set(&mut backoff.jitter, field.value, |text| values::fraction(text, 0.0, 1.0));
        }
    }

    fn max_restarts(&mut self, value: &'s Node) -> Option<MaxRestarts> {
        let fields = fields::known(value, MAX_RESTARTS_KEYS, &mut self.report);
        let (Some(count), Some(within)) = (fields.get("count"), fields.get("within")) else {
            if !matches!(value.value, Value::List(_) | Value::Scalar(_)) {
                let why =
                    "must have both, as {count: 5, within: 10m}: so many restarts in that time";
                self.report.error(value, why);
            }
            return None;
        };
        let count = self.value(count.value, |text| integer(text, 0, 1000));
        let within = self.value(within.value, some_time);
        Some(MaxRestarts { count: count?, within: within? })
    }

    fn inherit_env(&mut self, value: &'s Node) -> InheritEnv {
        let Value::List(names) = &value.value else {
            return match self.value(value, |text| {
                boolean(text).map_err(|why| format!("{why}; or a list of names"))
            }) {
                Some(false) => InheritEnv::Nothing,
                Some(true) | None => InheritEnv::All,
            };
        };
        let name = |text: &str| values::variable_name(text).map(|()| text.to_owned());
        let names: BTreeSet<String> =
            names.iter().filter_map(|item| self.value(item, name)).collect();
        // Two ways to say the same are no change.
        if names.is_empty() { InheritEnv::Nothing } else { InheritEnv::Only(names) }
    }

    fn limits(&mut self, value: &'s Node) -> BTreeMap<&'static str, Limit> {
        let mut limits = BTreeMap::new();
        let mut keys: BTreeMap<&str, &Node> = BTreeMap::new();
        for (written, field) in fields::named(value, &mut self.report) {
            let Some(name) = LIMITS.iter().find(|name| name.eq_ignore_ascii_case(written)) else {
                let message = match nearest(written, LIMITS.iter().copied()) {
                    Some(near) => format!("unknown limit; did you mean `{near}`?"),
                    None => format!("unknown limit; there are {}", LIMITS.join(", ")),
                };
                self.report.error(field.key, message);
                continue;
            };
            if let Some(first) = keys.insert(name, field.key) {
                self.report.error_again(field.key, first, "is there twice");
            }
            if let Some(limit) = self.limit(field.value) {
                limits.insert(*name, limit);
            }
        }
        limits
    }

    fn limit(&mut self, value: &'s Node) -> Option<Limit> {
        let Value::List(sides) = &value.value else {
            let both = self.value(value, values::bound)?;
            return Some(Limit { soft: both, hard: both });
        };
        let [soft, hard] = sides.as_slice() else {
            self.report.error(value, "must have two values, [soft, hard]");
            return None;
        };
        let (soft, hard) = (self.value(soft, values::bound), self.value(hard, values::bound));
        values::limit(soft?, hard?).map_err(|why| self.report.error(value, why)).ok()
    }
}

fn autorestart(text: &str) -> Result<Autorestart, String> {
    match (text.to_ascii_lowercase().as_str(), boolean(text)) {
        ("always", _) | (_, Ok(true)) => Ok(Autorestart::Always),
        ("never", _) | (_, Ok(false)) => Ok(Autorestart::Never),
        ("unexpected", _) => Ok(Autorestart::Unexpected),
        _ => Err(format!("must be always, never or unexpected, not {}", shown(text))),
    }
}

/// The ends that could be read, each once: so there are a few hundred at most.
fn distinct(ends: Vec<Option<Expected>>) -> Vec<Expected> {
    let mut kept: Vec<Expected> = Vec::new();
    for end in ends.into_iter().flatten() {
        if !kept.contains(&end) {
            kept.push(end);
        }
    }
    kept
}
