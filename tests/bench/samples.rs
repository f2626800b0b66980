//! A figure taken several times, and how it is written.

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds, shown as us, ms or s.
    Time,
    /// Bytes, shown as KB or MB of 1024.
    Memory,
    /// Bytes of a second, shown as MB of a million.
    Rate,
    /// CPU seconds for a GiB.
    CpuPerGiB,
    /// So many a second.
    PerSecond,
}

/// The values of one figure.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    unit: Unit,
    values: Vec<f64>,
}

impl Samples {
    /// None yet.
    pub(crate) fn new(unit: Unit) -> Self {
        Self { unit, values: Vec::new() }
    }

    /// Those.
    pub(crate) fn of(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        Self { unit, values: values.into_iter().collect() }
    }

    /// What they are counted in.
    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// One more.
    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
    }

    /// The middle one; none if there are none.
    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied()
    }

    /// `median [min max]`, in one unit.
    pub(crate) fn show(&self) -> String {
        let sorted = self.sorted();
        let (Some(min), Some(median), Some(max)) = (sorted.first(), self.median(), sorted.last())
        else {
            return "-".to_owned();
        };
        let (scale, word) = self.unit.scale(median);
        let number = |value: f64| number(value * scale);
        let spread = if sorted.len() > 1 {
            format!(" [{} {}]", number(*min), number(*max))
        } else {
            String::new()
        };
        format!("{} {word}{spread}", number(median))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

impl Unit {
    /// What a value of about this size is multiplied by, and what it is then called.
    pub(crate) fn scale(self, value: f64) -> (f64, &'static str) {
        match self {
            Self::Time if value < 1e-3 => (1e6, "us"),
            Self::Time if value < 1.0 => (1e3, "ms"),
            Self::Time => (1.0, "s"),
            Self::Memory if value < f64::from(1 << 20) => (1.0 / 1024.0, "KB"),
            Self::Memory => (1.0 / f64::from(1 << 20), "MB"),
            Self::Rate => (1e-6, "MB/s"),
            Self::CpuPerGiB => (1.0, "s/GiB"),
            Self::PerSecond => (1.0, "/s"),
        }
    }

    /// One value with its unit.
    pub(crate) fn show(self, value: f64) -> String {
        Samples::of(self, [value]).show()
    }
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middling if middling >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}
