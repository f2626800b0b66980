//! Figures side by side, aligned, with what they must hold.

use crate::samples::{Samples, number};

/// What a figure of taskmaster's must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Must {
    /// At most so many times the limit's.
    TimesLimit(f64),
    /// At least so many times the limit's.
    OfLimit(f64),
    /// At most this.
    AtMost(f64),
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    limit: Option<Samples>,
    ours: Option<Samples>,
    others: Option<Samples>,
    must: Option<Must>,
    note: String,
}

/// Figures that belong together.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    /// What stands in the limit's column, and in supervisord's.
    columns: [String; 2],
    rows: Vec<Row>,
}

impl Row {
    /// A figure of this name, without values yet.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        Self { name, limit: None, ours: None, others: None, must: None, note: String::new() }
    }

    /// What it is compared with.
    pub(crate) fn limit(mut self, samples: Samples) -> Self {
        self.limit = Some(samples);
        self
    }

    /// Taskmaster's.
    pub(crate) fn ours(mut self, samples: Samples) -> Self {
        self.ours = Some(samples);
        self
    }

    /// Supervisord's.
    pub(crate) fn others(mut self, samples: Option<Samples>) -> Self {
        self.others = samples;
        self
    }

    /// What it must be.
    pub(crate) fn must(mut self, must: Option<Must>) -> Self {
        self.must = must;
        self
    }

    /// What there is to say of it.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn medians(&self) -> (Option<f64>, Option<f64>) {
        let median = |samples: &Option<Samples>| samples.as_ref().and_then(Samples::median);
        (median(&self.limit), median(&self.ours))
    }

    fn ratio(&self) -> Option<f64> {
        let (limit, ours) = self.medians();
        Some(ours? / limit.filter(|limit| *limit > 0.0)?)
    }

    /// Whether it is as it must be; none if it need not be, or was not taken.
    pub(crate) fn holds(&self) -> Option<bool> {
        let (_, ours) = self.medians();
        Some(match self.must? {
            Must::TimesLimit(most) => self.ratio()? <= most,
            Must::OfLimit(least) => self.ratio()? >= least,
            Must::AtMost(most) => ours? <= most,
        })
    }

    fn cells(&self) -> [String; 7] {
        let show = |samples: &Option<Samples>| samples.as_ref().map_or("-".into(), Samples::show);
        let ratio = self.ratio().map_or_else(|| "-".to_owned(), number);
        let unit = |value| self.ours.as_ref().map(|ours| ours.unit().show(value));
        let must = match self.must {
            None => String::new(),
            Some(Must::TimesLimit(most)) => format!("<= {} x", number(most)),
            Some(Must::OfLimit(least)) => format!(">= {} x", number(least)),
            Some(Must::AtMost(most)) => format!("<= {}", unit(most).unwrap_or_default()),
        };
        let holds = match self.holds() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        let others = self.others.as_ref().map_or_else(String::new, Samples::show);
        let last = [others, self.note.clone()].into_iter().filter(|text| !text.is_empty());
        let last = last.collect::<Vec<_>>().join("  ");
        let name = format!("  {}", self.name);
        [name, show(&self.limit), show(&self.ours), ratio, must, holds.to_owned(), last]
    }
}

impl Table {
    /// An empty one, which compares with the limit and with supervisord.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        let columns = ["limit".to_owned(), String::new()];
        Self { title: title.into(), columns, rows: Vec::new() }
    }

    /// Calls the limit's column otherwise.
    pub(crate) fn beside(mut self, limit: &str) -> Self {
        limit.clone_into(&mut self.columns[0]);
        self
    }

    /// Has a column for another supervisor.
    pub(crate) fn and(mut self, other: Option<&str>) -> Self {
        other.unwrap_or_default().clone_into(&mut self.columns[1]);
        self
    }

    /// One more figure.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// How many of the figures are as they must be, and which are not.
    pub(crate) fn verdict(&self) -> (usize, Vec<String>) {
        let held = self.rows.iter().filter(|row| row.holds() == Some(true)).count();
        let failed = self.rows.iter().filter(|row| row.holds() == Some(false));
        (held, failed.map(|row| format!("{}: {}", self.title, row.name)).collect())
    }

    /// As it is printed.
    pub(crate) fn show(&self) -> String {
        let [limit, other] = self.columns.clone();
        let (ours, ratio) = ("taskmaster".to_owned(), "ratio".to_owned());
        let (must, holds) = ("must".to_owned(), "holds".to_owned());
        let head = [self.title.clone(), limit, ours, ratio, must, holds, other];
        let rows: Vec<[String; 7]> =
            std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect();
        let width = |at: usize| {
            let widths = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        rows.iter().fold(String::new(), |text, row| {
            let cells = row.iter().enumerate().map(|(at, cell)| format!("{cell:<0$}", width(at)));
            let line = cells.collect::<Vec<_>>().join("  ");
            format!("{text}{}\n", line.trim_end())
        })
    }
}
