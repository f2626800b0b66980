//! What a program waits for: `depends_on`, and that nothing waits for itself.

use super::fields;
use super::keys::DEPENDENCY_KEYS;
use super::near::nearest;
use super::program::Programs;
use super::read::{Reader, items};
use super::report::TOLD;
use super::tree::{Node, Value};
use super::values::shown;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// What is waited for, of all processes of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// How far they must have got.
    pub on: Condition,
    /// Whether a restart of the program restarts those that depend on it.
    pub restart_with: bool,
}

impl Dependency {
    /// Plainly on this.
    pub fn on(on: Condition) -> Self {
        Self { on, restart_with: false }
    }
}

/// How far a process must have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Up for its `starttime`, if not yet ready; or RUNNING.
    Started,
    /// RUNNING; where `ready` is set, that means it is.
    Ready,
    /// EXITED, by an end that was expected.
    Completed,
}

/// What stands under a `depends_on`: a name, where it stands, and what is said of it.
type Named<'s> = (&'s str, &'s Node, Option<&'s Node>);

/// Who depends on whom, and where that is said.
pub(super) type Edges<'s> = BTreeMap<Rc<str>, Vec<(&'s str, &'s Node)>>;

/// A program, and where it says that it depends on the next.
type Step<'s> = (Rc<str>, &'s Node);

impl<'s> Reader<'s> {
    /// Reads `depends_on`: names, or a map of each to a condition.
    pub(super) fn depends_on(&mut self, value: &'s Node) -> BTreeMap<Rc<str>, Dependency> {
        let mut all = BTreeMap::new();
        for (name, _, setting) in self.dependencies(value) {
            let plain = Dependency::on(Condition::Ready);
            let dependency = setting.and_then(|setting| self.dependency(setting));
            all.insert(Rc::from(name), dependency.unwrap_or(plain));
        }
        all
    }

    fn dependencies(&mut self, value: &'s Node) -> Vec<Named<'s>> {
        if let Value::Map(_) = value.value {
            let fields = fields::named(value, &mut self.report);
            return fields.iter().map(|(name, f)| (*name, f.key, Some(f.value))).collect();
        }
        let names = items(value).iter().filter_map(|item| Some((self.scalar(item)?, item, None)));
        names.collect()
    }

    fn dependency(&mut self, setting: &'s Node) -> Option<Dependency> {
        if !matches!(setting.value, Value::Map(_)) {
            return self.value(setting, condition).map(Dependency::on);
        }
        let fields = fields::known(setting, DEPENDENCY_KEYS, &mut self.report);
        let mut dependency = Dependency::on(Condition::Ready);
        if let Some(field) = fields.get("on") {
            self.set(&mut dependency.on, field.value, condition);
        }
        if let Some(field) = fields.get("restart") {
            self.set(&mut dependency.restart_with, field.value, |text| match text {
                _ if text.eq_ignore_ascii_case("with") => Ok(true),
                _ => Err(format!("must be with, or left out, not {}", shown(text))),
            });
        }
        Some(dependency)
    }

    /// Keeps who depends on whom, until all programs are known.
    pub(super) fn keep_edges(&mut self, program: &Rc<str>, value: &'s Node) {
        let named = self.dependencies(value).into_iter().map(|(name, at, _)| (name, at));
        let named = named.collect();
        self.edges.insert(Rc::clone(program), named);
    }

    /// Reports names that nothing has, and programs that wait for themselves.
    pub(super) fn check_order(&mut self, programs: &Programs) {
        let edges = std::mem::take(&mut self.edges);
        self.check_known(programs, &edges);
        for circle in circles(&edges) {
            if let Some((_, at)) = circle.first() {
                self.report.error(at, told(&circle));
            }
        }
        self.check_completed(programs, &edges);
    }

    /// Reports names that nothing has. A near miss is sought among all programs, so only for
    /// those whose report may be told: the first ones in the text. What `defaults` says stands
    /// there once, for however many programs.
    fn check_known(&mut self, programs: &Programs, edges: &Edges<'s>) {
        let unknown = edges.values().flatten().filter(|(name, _)| !programs.contains_key(*name));
        let unknown: BTreeMap<u32, &(&str, &Node)> =
            unknown.map(|named| (named.1.id, named)).collect();
        for (number, (name, at)) in unknown.into_values().enumerate() {
            let near = (number < TOLD).then(|| nearest(name, programs.keys().map(|name| &**name)));
            let near = near.flatten().map(|near| format!("; did you mean `{near}`?"));
            let near = near.unwrap_or_default();
            self.report.error(at, format!("no program is called {}{near}", shown(name)));
        }
    }

    /// Warns of what is waited for in vain: the end of what is started again after each.
    fn check_completed(&mut self, programs: &Programs, edges: &Edges<'s>) {
        for (program, named) in edges {
            let Some(program) = programs.get(&**program) else { continue };
            for (name, at) in named {
                let completes = |dependency: &Dependency| dependency.on == Condition::Completed;
                let waits = program.policy.depends_on.get(*name).is_some_and(completes);
                let restarts = programs.get(*name).is_some_and(|named| named.never_completes());
                if waits && restarts {
                    let why =
                        format!("{name} is started again whenever it ends: it never completes");
                    self.report.warning(at, why);
                }
            }
        }
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    match text.to_ascii_lowercase().as_str() {
        "started" => Ok(Condition::Started),
        "ready" => Ok(Condition::Ready),
        "completed" => Ok(Condition::Completed),
        _ => Err(format!("must be started, ready or completed, not {}", shown(text))),
    }
}

/// Every circle that a walk along the edges closes, each from where the file says it first.
fn circles<'s>(edges: &Edges<'s>) -> Vec<Vec<Step<'s>>> {
    let mut found = Vec::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for start in edges.keys() {
        if seen.contains(&**start) {
            continue;
        }
        // The path from the start, and for each program on it how many of its edges are done.
        let mut path: Vec<(&Rc<str>, usize)> = vec![(start, 0)];
        let mut on_path: HashMap<&str, usize> = HashMap::from([(&**start, 0)]);
        while let Some((program, done)) = path.last_mut() {
            let edge = edges.get(*program).and_then(|named| named.get(*done));
            *done += 1;
            let Some((next, _)) = edge else {
                on_path.remove(&***program);
                seen.insert(program);
                path.pop();
                continue;
            };
            if let Some(from) = on_path.get(next) {
                found.push(closed(edges, path.get(*from..).unwrap_or_default()));
            } else if let Some((next, _)) = edges.get_key_value(*next)
                && !seen.contains(&**next)
            {
                on_path.insert(next, path.len());
                path.push((next, 0));
            }
        }
    }
    found
}

/// The circle along this path, turned so that what the file says first comes first.
fn closed<'s>(edges: &Edges<'s>, path: &[(&Rc<str>, usize)]) -> Vec<Step<'s>> {
    let step = |(program, done): &(&Rc<str>, usize)| {
        let (_, at) = edges.get(*program)?.get(done.checked_sub(1)?)?;
        Some((Rc::clone(program), *at))
    };
    let mut circle: Vec<Step<'s>> = path.iter().filter_map(step).collect();
    let first = (0..circle.len()).min_by_key(|at| circle.get(*at).map(|(_, node)| node.id));
    circle.rotate_left(first.unwrap_or(0));
    circle
}

/// A circle in words. Of a long one, the beginning.
fn told(circle: &[Step<'_>]) -> String {
    const ENOUGH: usize = 10;
    let names: Vec<&str> = circle.iter().map(|(name, _)| &**name).collect();
    if let [name] = names.as_slice() {
        return format!("{name} cannot depend on itself");
    }
    let back = names.iter().skip(1).chain(names.first());
    let needs = names.iter().zip(back).map(|(one, other)| format!("{one} needs {other}"));
    let told: Vec<String> = needs.take(ENOUGH).collect();
    let more = match names.len().saturating_sub(ENOUGH) {
        0 => String::new(),
        more => format!(" and so on, {more} more"),
    };
    format!("goes in a circle: {}{more}", told.join(", "))
}
