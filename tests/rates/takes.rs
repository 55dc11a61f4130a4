use std::fmt;

/// What was admitted, and among how many decisions.
#[derive(Debug, Default)]
pub(crate) struct Takes {
    pub(crate) decisions: u64,
    ended: u64,
    admitted: Vec<Admitted>,
    /// When each was asked for, and how much was asked for up to then.
    asked: Vec<(u64, u64)>,
    /// When each was told, and how much was told up to then.
    told: Vec<(u64, u64)>,
}

impl Takes {
    pub(crate) fn decided(&mut self, at: u64, admitted: Option<Admitted>) {
        self.decisions += 1;
        self.ended = self.ended.max(at);
        self.admitted.extend(admitted);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.ended = self.ended.max(other.ended);
        self.admitted.extend(other.admitted);
    }

    /// Has to be called before windows are looked at.
    pub(crate) fn sort(&mut self) {
        self.asked = sums(self.admitted.iter().map(|take| (take.asked, take.cost)));
        self.told = sums(self.admitted.iter().map(|take| (take.told, take.cost)));
    }

    /// The most that was surely admitted in any time of this length: asked for and told in it.
    ///
    /// Such a time can as well begin where something was asked for. What was told by its end and not asked for before it
    /// lies in it; what was asked for before and told after it is subtracted too, so a long bracket hides as much, and makes
    /// no false alarm.
    pub(crate) fn most_within(&self, length: u64) -> u64 {
        let starts = self.asked.iter().map(|&(start, _)| {
            let told = upto(&self.told, start + length);
            told.saturating_sub(before(&self.asked, start))
        });
        starts.max().unwrap_or(0)
    }

    /// The most that may have been admitted in any time of this length: asked for by its end and not told before it.
    pub(crate) fn most_touching(&self, length: u64) -> u64 {
        let starts = self.told.iter().map(|&(start, _)| {
            let asked = upto(&self.asked, start + length);
            asked - before(&self.told, start)
        });
        starts.max().unwrap_or(0)
    }

    pub(crate) fn count(&self) -> u64 {
        self.admitted.len() as u64
    }

    pub(crate) fn units(&self) -> u64 {
        self.admitted.iter().map(|take| take.cost).sum()
    }

    pub(crate) fn longest(&self) -> u64 {
        let brackets = self.admitted.iter().map(|take| take.told - take.asked);
        brackets.max().unwrap_or(0)
    }

    /// From the first that was admitted to the last decision.
    pub(crate) fn duration(&self) -> u64 {
        let first = self.told.first().map_or(self.ended, |&(first, _)| first);
        self.ended - first
    }

    pub(crate) fn read(text: &str) -> Self {
        let mut rows = text.lines().map(|line| {
            let numbers = line.split(' ').map(|number| number.parse());
            numbers.collect::<Result<Vec<u64>, _>>().expect("numbers")
        });
        let head = rows.next().expect("it has a head");
        let admitted = rows.map(|row| Admitted {
            asked: row[0],
            told: row[1],
            cost: row[2],
        });
        Self {
            decisions: head[0],
            ended: head[1],
            admitted: admitted.collect(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.decisions, self.ended)?;
        for Admitted { asked, told, cost } in &self.admitted {
            writeln!(f, "{asked} {told} {cost}")?;
        }
        Ok(())
    }
}

/// It was admitted in between, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    pub(crate) asked: u64,
    pub(crate) told: u64,
    pub(crate) cost: u64,
}

fn sums(rows: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    let mut rows: Vec<_> = rows.collect();
    rows.sort_unstable();
    let mut sum = 0;
    for (_, cost) in &mut rows {
        sum += *cost;
        *cost = sum;
    }
    rows
}

fn upto(sums: &[(u64, u64)], time: u64) -> u64 {
    let count = sums.partition_point(|&(at, _)| at <= time);
    count.checked_sub(1).map_or(0, |last| sums[last].1)
}

fn before(sums: &[(u64, u64)], time: u64) -> u64 {
    let count = sums.partition_point(|&(at, _)| at < time);
    count.checked_sub(1).map_or(0, |last| sums[last].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(admitted: &[(u64, u64, u64)]) -> Takes {
        let mut takes = Takes::default();
        for &(asked, told, cost) in admitted {
            takes.decided(told, Some(Admitted { asked, told, cost }));
        }
        takes.sort();
        takes
    }

    #[test]
    fn one_unit_too_many_is_seen_in_the_one_window_that_has_it() {
        // Ten apart, so five in any forty; and one more.
        let even = (0..20).map(|i| (10 * i, 10 * i, 1));
        let mut even: Vec<_> = even.collect();
        assert_eq!(takes(&even).most_within(40), 5);

        even.push((97, 99, 1));

        assert_eq!(takes(&even).most_within(40), 6);
    }

    #[test]
    fn what_lies_on_the_edge_of_a_window_is_not_held_against_it() {
        let takes = takes(&[(0, 10, 3), (20, 30, 4), (35, 70, 5)]);

        assert_eq!(takes.most_within(40), 7);
        assert_eq!(takes.most_within(29), 4);
        assert_eq!(takes.most_within(50), 9);
        assert_eq!(takes.most_touching(40), 12);
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let mut written = takes(&[(1, 2, 3), (4, 5, 6)]);
        written.decided(9, None);
        let mut read = Takes::read(&written.to_string());
        read.sort();

        assert_eq!((read.decisions, read.count(), read.units()), (3, 2, 9));
        assert_eq!((read.duration(), read.longest()), (7, 1));
    }
}
