//! What has happened since the last message: which processes, how often, when and how.
//!
//! Bounded, whatever happens: beyond so many rows events are counted, but no more told apart.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::config::EventName;

/// Rows at most; what comes on top is counted.
const ROWS: usize = 100;

/// Ways to end that a row tells apart.
const WAYS: usize = 4;

/// What the last of them is called when it stands for several.
const OTHERS: &str = "other ends";

/// One event, as messages tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What.
    pub event: EventName,
    /// When, RFC 3339.
    pub time: String,
    /// The process; none where it concerns the daemon.
    pub process: Option<String>,
    /// Its process id.
    pub pid: Option<i32>,
    /// How it ended, as `exit 3`.
    pub end: Option<String>,
    /// Whether that was expected.
    pub expected: Option<bool>,
    /// In words.
    pub message: String,
}

/// The events of one kind and process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    /// The last of them.
    pub(super) last: News,
    /// When the first was.
    pub(super) first_time: String,
    pub(super) count: u64,
    /// How often it ended in which way.
    pub(super) ways: Vec<(String, u64)>,
    /// How often it happened within the last hour, where that is known.
    pub(super) lately: Option<u64>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub(super) rows: Vec<Row>,
    /// Where in `rows` a kind and process is.
    #[serde(skip)]
    index: HashMap<Key, usize>,
    /// Events that are in no row.
    pub(super) more: BTreeMap<EventName, u64>,
    /// Attempts to tell all this that came to nothing.
    pub(super) attempts: u64,
    /// Times of the first and last event.
    pub(super) span: Option<(String, String)>,
}

type Key = (EventName, Option<bool>, Option<String>);

impl Digest {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.events() == 0
    }

    /// How many events it holds.
    pub fn events(&self) -> u64 {
        let counts = self.rows.iter().map(|row| row.count).chain(self.more.values().copied());
        counts.fold(0, u64::saturating_add)
    }

    /// Takes up one more; `lately` is how often it happened within the last hour.
    pub(super) fn add(&mut self, news: News, lately: Option<u64>) {
        let way = news.end.clone().into_iter().map(|end| (end, 1)).collect();
        let first_time = news.time.clone();
        self.take(Row { last: news, first_time, count: 1, ways: way, lately });
    }

    /// Takes up what happened after it.
    pub(super) fn append(&mut self, later: Self) {
        later.rows.into_iter().for_each(|row| self.take(row));
        for (event, count) in later.more {
            self.count_more(event, count);
        }
        self.attempts = self.attempts.saturating_add(later.attempts);
        if let Some((first, last)) = later.span {
            self.stretch(&first, &last);
        }
    }

    fn take(&mut self, row: Row) {
        self.stretch(&row.first_time, &row.last.time);
        let key = (row.last.event, row.last.expected, row.last.process.clone());
        let known = self.index.get(&key).and_then(|at| self.rows.get_mut(*at));
        if let Some(known) = known {
            known.append(row);
        } else if self.rows.len() < ROWS {
            self.index.insert(key, self.rows.len());
            self.rows.push(row);
        } else {
            self.count_more(row.last.event, row.count);
        }
    }

    fn count_more(&mut self, event: EventName, count: u64) {
        let known = self.more.entry(event).or_default();
        *known = known.saturating_add(count);
    }

    fn stretch(&mut self, first: &str, last: &str) {
        match &mut self.span {
            Some((_, end)) => last.clone_into(end),
            None => self.span = Some((first.to_owned(), last.to_owned())),
        }
    }

    /// The processes whose output is worth showing, the first few.
    pub fn processes(&self, most: usize) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.rows.iter().filter_map(|row| row.last.process.as_deref()) {
            if names.len() == most {
                break;
            }
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Row {
    fn append(&mut self, later: Row) {
        self.count = self.count.saturating_add(later.count);
        self.lately = later.lately.or(self.lately);
        for (way, count) in later.ways {
            let known = self.ways.iter().position(|(known, _)| *known == way);
            if known.is_none() && self.ways.len() < WAYS {
                self.ways.push((way, count));
                continue;
            }
            let at = known.unwrap_or(WAYS - 1);
            if let Some((name, total)) = self.ways.get_mut(at) {
                *total = total.saturating_add(count);
                if known.is_none() {
                    OTHERS.clone_into(name);
                }
            }
        }
        self.last = later.last;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::mail) fn news(event: EventName, process: &str, time: &str, end: &str) -> News {
        News {
            event,
            time: format!("2026-11-25T{time}.000+01:00"),
            process: (!process.is_empty()).then(|| process.to_owned()),
            pid: Some(42),
            end: (!end.is_empty()).then(|| end.to_owned()),
            expected: (!end.is_empty()).then_some(false),
            message: if end.is_empty() { "2 problems".to_owned() } else { end.to_owned() },
        }
    }

    fn exited(process: &str, end: &str) -> News {
        news(EventName::Exited, process, "12:00:00", end)
    }

    #[test]
    fn the_same_again_is_counted_in_its_row() {
        let mut digest = Digest::default();
        for end in ["exit 1", "exit 2", "exit 1"] {
            digest.add(exited("a", end), None);
        }
        digest.add(exited("b", "exit 1"), None);
        assert_eq!((digest.events(), digest.rows.len()), (4, 2));
        assert_eq!(digest.rows[0].ways, [("exit 1".to_owned(), 2), ("exit 2".to_owned(), 1)]);
    }

    #[test]
    fn however_much_happens_it_stays_small_and_counts_all() {
        let mut digest = Digest::default();
        for n in 0..1000 {
            digest.add(exited(&format!("a:{n}"), &format!("exit {}", n % 200)), None);
        }
        for n in 0..1000 {
            digest.add(exited("a:0", &format!("exit {n}")), None);
        }
        assert_eq!(digest.events(), 2000);
        assert_eq!((digest.rows.len(), digest.rows[0].ways.len()), (ROWS, WAYS));
        let ways: u64 = digest.rows[0].ways.iter().map(|(_, count)| count).sum();
        assert_eq!(ways, 1001);
        assert_eq!(digest.more[&EventName::Exited], 900);
    }

    #[test]
    fn what_was_not_sent_comes_before_what_happened_since() {
        let (mut first, mut second) = (Digest::default(), Digest::default());
        first.add(news(EventName::Exited, "a", "12:00:00", "exit 1"), Some(1));
        second.add(news(EventName::Exited, "a", "12:00:09", "exit 1"), Some(2));
        second.add(news(EventName::ReloadFailed, "", "12:00:10", ""), None);
        first.append(second);
        assert_eq!(first.events(), 3);
        let row = &first.rows[0];
        assert!(row.first_time.contains("12:00:00") && row.last.time.contains("12:00:09"));
        assert_eq!((row.count, row.lately), (2, Some(2)));
        assert!(first.span.unwrap().1.contains("12:00:10"));
    }
}
