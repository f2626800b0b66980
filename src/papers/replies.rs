//! What can be answered (states, events, exit statuses, replies of the protocol): in the manual
//! pages.

use super::mdoc::{Item, behind, items};
use super::{PAGES, page, set};
use crate::config::SIGNALS;
use crate::protocol::{
    self, DetailRow, End, EventName, EventRow, GoneRow, LINE_LIMIT, OutputRow, PROTOCOL, PidRow,
    PlanRow, ProblemRow, Reply, ResultRow, Row,
};
use crate::supervisor::StateName;

fn state_names() -> Vec<String> {
    StateName::ALL.map(|state| state.as_str().to_owned()).to_vec()
}

fn event_names() -> Vec<String> {
    EventName::ALL.map(|event| event.as_str().to_owned()).to_vec()
}

#[test]
fn the_states_events_and_exit_statuses_stand_in_taskmasterctl_1() {
    let page = page("taskmasterctl.1");
    let texts = |section| items(&page, section).iter().map(Item::text).collect::<Vec<_>>();
    assert_eq!(texts("STATES"), state_names());
    let events = items(&page, "EVENTS");
    let events = events.iter().filter(|item| item.words[0] == "Dv").map(Item::text);
    assert_eq!(events.collect::<Vec<_>>(), event_names());
    assert_eq!(texts("EXIT STATUS"), (0..=7).map(|n| n.to_string()).collect::<Vec<_>>());
    let daemon = items(&super::page("taskmaster.1"), "EXIT STATUS");
    assert_eq!(daemon.iter().map(Item::text).collect::<Vec<_>>(), ["0", "1", "2"]);
    let everywhere = set(state_names().into_iter().chain(event_names()));
    for name in PAGES {
        let signals =
            |word: &String| SIGNALS.iter().any(|(signal, _)| signal == word || word == "SIGKILL");
        for word in behind(&super::page(name), "Dv").concat().iter().filter(|word| !signals(word)) {
            assert!(everywhere.contains(word), "{name}: no state or event {word}");
        }
    }
}

/// One reply of each kind, with every key it may have. The match stops compiling when there is
/// one more.
fn replies() -> Vec<Reply> {
    let text = String::new;
    let all = vec![
        Reply::Status(Row {
            name: text(),
            program: text(),
            index: 0,
            state: StateName::Running,
            pid: None,
            since: None,
            uptime: None,
            restarts: 0,
            exit: None,
            expected: None,
            description: text(),
            lost_bytes: 0,
        }),
        Reply::Detail(DetailRow { about: text(), lines: Vec::new() }),
        Reply::Gone(GoneRow { name: text(), program: text(), index: 0 }),
        Reply::Current(0),
        Reply::Result(ResultRow { name: text(), ok: true, message: text() }),
        Reply::Plan(PlanRow { name: None, action: text() }),
        Reply::Problem(ProblemRow { warning: true, message: text(), excerpt: None }),
        Reply::Pid(PidRow { name: None, pid: None }),
        Reply::Event(EventRow {
            time: text(),
            event: EventName::Running,
            name: None,
            from: None,
            to: None,
            pid: None,
            exit: None,
            expected: None,
            message: text(),
        }),
        // Of the last two of its keys there is always one.
        Reply::Output(OutputRow { name: None, text: Some(text()), hex: Some(text()) }),
        Reply::Text(text()),
        Reply::End(End { exit: 0, error: Some(text()) }),
    ];
    for reply in &all {
        match reply {
            Reply::Detail(_) | Reply::Gone(_) | Reply::Current(_) => {}
            Reply::Status(_) | Reply::Result(_) | Reply::Plan(_) | Reply::Problem(_) => {}
            Reply::Pid(_) | Reply::Event(_) | Reply::Output(_) | Reply::Text(_) => {}
            Reply::End(_) => {}
        }
    }
    all
}

/// A reply's kind, and its keys in the order in which they are sent.
fn kind_and_keys(reply: &Reply) -> (String, Vec<String>) {
    let line = reply.to_line();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let (kind, inner) = value.as_object().unwrap().iter().next().unwrap();
    let mut keys: Vec<String> =
        inner.as_object().map(|keys| keys.keys().cloned().collect()).unwrap_or_default();
    // Behind the kind: `event` is one of its own keys.
    let body = &line[kind.len() + 3..];
    keys.sort_by_key(|key| body.find(&format!("\"{key}\":")));
    (kind.clone(), keys)
}

#[test]
fn the_replies_and_their_keys_stand_in_the_pages() {
    let protocol_page = page("taskmaster-protocol.7");
    let items_there = items(&protocol_page, "REPLIES");
    let kinds = replies().iter().map(kind_and_keys).collect::<Vec<_>>();
    let listed: Vec<String> = items_there.iter().map(Item::text).collect();
    assert_eq!(listed, kinds.iter().map(|(kind, _)| kind.clone()).collect::<Vec<_>>());
    for (item, (kind, keys)) in items_there.iter().zip(&kinds) {
        let named = behind(&item.body, "Va").concat();
        for key in keys {
            assert!(named.contains(key), "{kind}: {key}");
        }
    }
    let ctl = page("taskmasterctl.1");
    for (section, kind) in [("STATUS", "status"), ("EVENTS", "event")] {
        let fields = items(&ctl, section);
        let fields: Vec<String> =
            fields.iter().filter(|item| item.words[0] == "Va").map(Item::text).collect();
        let (_, keys) = kinds.iter().find(|(name, _)| name == kind).unwrap();
        assert_eq!(&fields, keys, "{section}");
    }
}

#[test]
fn the_numbers_of_the_protocol_stand_in_its_page() {
    let page = page("taskmaster-protocol.7");
    assert!(page.contains(&format!("version {PROTOCOL} of the protocol")));
    assert!(page.contains(&format!(".It {} KiB\nfor a line", LINE_LIMIT / 1024)));
    assert!(page.contains(&format!("than {} MiB", protocol::REPLY_LIMIT / 1024 / 1024)));
}
