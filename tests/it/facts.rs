//! Facts about processes, asked for over one connection: much faster than a shell for each.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::bench::{Bench, Wire, until};

/// The rows of `status`, by name.
pub fn rows(wire: &mut Wire) -> BTreeMap<String, Value> {
    let replies = wire.ask("status");
    let rows = replies.into_iter().filter_map(|mut reply| Some(reply.get_mut("status")?.take()));
    rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row)).collect()
}

/// The names of all processes.
pub fn names(wire: &mut Wire) -> Vec<String> {
    rows(wire).into_keys().collect()
}

/// The pids of those that are up, by name.
pub fn pids(wire: &mut Wire) -> BTreeMap<String, i64> {
    let rows = rows(wire).into_iter();
    rows.filter_map(|(name, row)| Some((name, row["pid"].as_i64()?))).collect()
}

/// The row of one process; null if there is none.
pub fn row(wire: &mut Wire, name: &str) -> Value {
    rows(wire).remove(name).unwrap_or(Value::Null)
}

/// Its state.
pub fn state(wire: &mut Wire, name: &str) -> String {
    row(wire, name)["state"].as_str().unwrap_or("none").to_owned()
}

/// Its pid; it must be up.
pub fn pid(wire: &mut Wire, name: &str) -> i32 {
    let row = row(wire, name);
    row["pid"].as_i64().unwrap_or_else(|| panic!("{name} is not up: {row}")) as i32
}

/// Waits until it is in this state.
pub fn until_state(wire: &mut Wire, name: &str, wanted: &str) {
    until(&format!("{name} is {wanted}"), || state(wire, name) == wanted);
}

/// Waits until all are RUNNING.
pub fn until_all_run(wire: &mut Wire) {
    until("all are RUNNING", || wire.ask("status").last().unwrap()["end"]["exit"] == 0);
}

/// The exit status that an answer ends with.
pub fn exit(answer: &[Value]) -> i64 {
    answer.last().unwrap()["end"]["exit"].as_i64().unwrap()
}

/// The error that an answer ends with.
pub fn error(answer: &[Value]) -> &str {
    answer.last().unwrap()["end"]["error"].as_str().unwrap_or_default()
}

/// An answer without its end, in words: plans and results as `name: what`.
pub fn words(answer: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("taskmaster").to_owned();
    let told = |reply: &Value| {
        let (kind, value) = reply.as_object().unwrap().iter().next().unwrap();
        match kind.as_str() {
            "plan" => Some(format!("{}: {}", text(&value["name"]), text(&value["action"]))),
            "result" => Some(format!("{}: {}", text(&value["name"]), text(&value["message"]))),
            "problem" if value["warning"] == true => {
                Some(format!("warning: {}", text(&value["message"])))
            }
            "problem" => Some(format!("error: {}", text(&value["message"]))),
            "text" => Some(text(value)),
            _ => None,
        }
    };
    answer.iter().filter_map(told).collect()
}

/// A reload that must succeed: its plan in words.
pub fn reload(wire: &mut Wire) -> Vec<String> {
    let answer = wire.ask("reload");
    assert_eq!(exit(&answer), 0, "{answer:?}");
    words(&answer)
}

/// Writes the whole configuration: `daemon:` with more in it, then the rest.
pub fn configure(bench: &Bench, daemon: &str, rest: &str) {
    let text = format!("daemon: {{listen: '127.0.0.1:0', state_dir: state, {daemon}}}\n{rest}");
    bench.write("taskmaster.yaml", &text);
}

/// A daemon on such a configuration, and a client of it.
pub fn up(daemon: &str, rest: &str) -> (Bench, Wire) {
    let mut bench = Bench::new("{}");
    configure(&bench, daemon, rest);
    bench.start();
    let wire = bench.client();
    (bench, wire)
}
