use std::{collections::BTreeMap, fmt};

/// What the simulation knows of the money, whatever the parts believe: per window, as the holds name it.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) windows: BTreeMap<Place, Tally>,
    /// What the provider charges, by the hour of its own calendar.
    hours: BTreeMap<i64, i128>,
    pub(crate) figures: Figures,
}

/// Which of the budget's accounts, and its window.
pub(crate) type Place = (usize, u64);

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
    pub(crate) fn hold(&mut self, place: Place, amount: i64) {
        self.windows.entry(place).or_default().held += i128::from(amount);
    }

    pub(crate) fn settle(&mut self, place: Place, held: i64, spent: i64) {
        let tally = self.windows.entry(place).or_default();
        tally.held -= i128::from(held);
        tally.settled += i128::from(spent);
        tally.excess += i128::from(spent.saturating_sub(held).max(0));
    }

    /// A call that is open holds more, of which this was not there.
    pub(crate) fn raise(&mut self, place: Place, more: i64, owed: i64) {
        let tally = self.windows.entry(place).or_default();
        tally.held += i128::from(more - owed);
        tally.beyond += i128::from(owed);
    }

    /// A call has become dearer, and nobody is there who could hold more.
    pub(crate) fn lose(&mut self, place: Place, excess: i64) {
        let tally = self.windows.entry(place).or_default();
        tally.beyond += i128::from(excess);
    }

    /// A call is billed, with a date by the provider's calendar, and paid from there.
    pub(crate) fn bill(&mut self, places: impl Iterator<Item = Place>, date: i64, amount: i64) {
        for place in places {
            self.windows.entry(place).or_default().bill += i128::from(amount);
        }
        *self.hours.entry(date.div_euclid(HOUR)).or_default() += i128::from(amount);
        self.figures.billed += i128::from(amount);
    }

    /// What was spent of a window, or may yet be by those who hold it.
    pub(crate) fn committed(&self, place: Place) -> i128 {
        self.windows
            .get(&place)
            .map_or(0, |tally| tally.held + tally.settled - tally.excess)
    }

    /// Whether no window has cost more than the limit: of a strict budget, none of the provider's calendar.
    pub(crate) fn bills(&self, limit: i64, is_strict: bool) -> Result<(), Violation> {
        let limit = i128::from(limit);
        if is_strict {
            return match self.hours.iter().find(|(_, bill)| **bill > limit) {
                Some((hour, bill)) => Err(Violation::new(format!(
                    "the provider's hour {hour} of {limit} costs {bill}"
                ))),
                None => Ok(()),
            };
        }
        let mut windows = self.windows.iter();
        match windows.find(|(_, tally)| tally.bill > limit + tally.beyond) {
            Some((place, tally)) => Err(Violation::new(format!(
                "window {place:?} of {limit} is billed {}",
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

const HOUR: i64 = 3_600_000;
