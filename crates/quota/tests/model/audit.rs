use std::{collections::BTreeMap, fmt};

/// What the simulation knows of the money, whatever the parts believe: per window, as the holds name it.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) windows: BTreeMap<u64, Tally>,
    pub(crate) figures: Figures,
}

/// The truth about a window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// What the provider charges.
    pub(crate) bill: i128,
    /// What is in open holds, and those of the dead.
    pub(crate) held: i128,
    /// What was settled.
    pub(crate) settled: i128,
    /// Of that, what was more than its hold.
    pub(crate) excess: i128,
    /// What may be billed above the limit: calls that have become dearer, and found no more than was left.
    pub(crate) beyond: i128,
}

/// What a run had to show; sums add up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) runs: u64,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
    /// Refused although the authority had enough.
    pub(crate) falsely: u64,
    /// The limits of the windows that were open at the end, and what of it nobody can spend.
    pub(crate) limits: i128,
    pub(crate) stranded: i128,
    /// What is in the reserve, for whoever asks.
    pub(crate) parked: i128,
    pub(crate) billed: i128,
}

/// Something that may never be.
#[derive(Clone, Debug)]
pub(crate) struct Violation(pub(crate) String);

impl Audit {
    pub(crate) fn hold(&mut self, window: u64, amount: i64) {
        self.windows.entry(window).or_default().held += i128::from(amount);
        self.figures.calls += 1;
    }

    pub(crate) fn settle(&mut self, window: u64, held: i64, spent: i64) {
        let tally = self.windows.entry(window).or_default();
        tally.held -= i128::from(held);
        tally.settled += i128::from(spent);
        tally.excess += i128::from(spent.saturating_sub(held).max(0));
    }

    /// A call that is open holds more, of which this was not there.
    pub(crate) fn raise(&mut self, window: u64, more: i64, owed: i64) {
        let tally = self.windows.entry(window).or_default();
        tally.held += i128::from(more - owed);
        tally.beyond += i128::from(owed);
    }

    /// A call has become dearer, and nobody is there who could hold more.
    pub(crate) fn lose(&mut self, window: u64, excess: i64) {
        let tally = self.windows.entry(window).or_default();
        tally.beyond += i128::from(excess);
    }

    pub(crate) fn bill(&mut self, window: u64, amount: i64) {
        let tally = self.windows.entry(window).or_default();
        tally.bill += i128::from(amount);
        self.figures.billed += i128::from(amount);
    }

    /// What was spent of a window, or may yet be by those who hold it.
    pub(crate) fn committed(&self, window: u64) -> i128 {
        self.windows
            .get(&window)
            .map_or(0, |tally| tally.held + tally.settled - tally.excess)
    }

    pub(crate) fn bills(&self, limit: i64) -> Result<(), Violation> {
        match self
            .windows
            .iter()
            .find(|(_, tally)| tally.bill > i128::from(limit) + tally.beyond)
        {
            Some((window, tally)) => Err(Violation::new(format!(
                "window {window} of {limit} is billed {}",
                tally.bill
            ))),
            None => Ok(()),
        }
    }
}

impl Violation {
    pub(crate) const fn new(what: String) -> Self {
        Self(what)
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.calls += other.calls;
        self.refused += other.refused;
        self.falsely += other.falsely;
        self.limits += other.limits;
        self.stranded += other.stranded;
        self.parked += other.parked;
        self.billed += other.billed;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |some: i128, all: i128| 100.0 * some as f64 / all.max(1) as f64;
        write!(
            f,
            "{} runs, {} calls; {:.2} % of them refused, {:.2} % falsely; of the limits {:.2} % stranded, {:.2} % in the reserve",
            self.runs,
            self.calls,
            part(self.refused.into(), (self.calls + self.refused).into()),
            part(self.falsely.into(), (self.calls + self.refused).into()),
            part(self.stranded, self.limits),
            part(self.parked, self.limits),
        )
    }
}
