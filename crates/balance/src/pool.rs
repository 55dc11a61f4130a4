use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use tollgate_core::fact::Target;

use crate::status::{Status, Statuses};

/// The targets that can serve a request, and how to choose among them. Clones share the targets.
///
/// ```
/// use tollgate_balance::{Pool, Strategy};
/// use tollgate_core::fact::Target;
///
/// let pool = Pool::new([Target::new("near").with_weight(4), Target::new("far")])
///     .strategy(Strategy::LeastBusy);
/// # let _ = pool;
/// ```
#[derive(Clone)]
pub struct Pool {
    members: Arc<Members>,
    strategy: Strategy,
}

struct Members {
    targets: Box<[Target]>,
    /// What the layer that asked first knows of them: a look-up for each request less.
    known: OnceLock<(Arc<Statuses>, Arc<[Arc<Status>]>)>,
}

impl Pool {
    /// A pool of these, by weight. Of more than 64, only the first 64 are used.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Self {
        Self {
            members: Arc::new(Members {
                targets: targets.into_iter().take(MOST_TARGETS).collect(),
                known: OnceLock::new(),
            }),
            strategy: Strategy::Weighted,
        }
    }

    /// Sets the way to choose.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.members.targets
    }

    /// What is known of the targets, in their order.
    pub(crate) fn statuses(&self, all: &Arc<Statuses>) -> Arc<[Arc<Status>]> {
        let look_up = || self.targets().iter().map(|it| all.of(&it.name)).collect();
        let (of, statuses) = self
            .members
            .known
            .get_or_init(|| (Arc::clone(all), look_up()));
        if Arc::ptr_eq(of, all) {
            Arc::clone(statuses)
        } else {
            look_up()
        }
    }

    /// Chooses one of those that are `usable`, given how busy each is and a random number.
    pub(crate) fn choose(
        &self,
        usable: impl Fn(usize) -> bool,
        busy: impl Fn(usize) -> usize,
        random: u64,
    ) -> Option<usize> {
        let all = || (0..self.targets().len()).filter(|&index| usable(index));
        // Those without weight are for emergencies only.
        let emergency = !all().any(|index| self.targets()[index].weight > 0);
        let weight = |index: usize| match self.targets()[index].weight {
            0 if emergency => 1,
            weight => u64::from(weight),
        };
        let weighty = || all().filter(|&index| weight(index) > 0);
        match self.strategy {
            Strategy::Weighted => draw(weighty, weight, random),
            Strategy::LeastBusy => {
                // Compared as fractions, one request more than there are: an idle target of twice the weight wins.
                let load = |index: usize| (busy(index) as u128 + 1, u128::from(weight(index)));
                let less = |a: &usize, b: &usize| {
                    let ((busy_a, weight_a), (busy_b, weight_b)) = (load(*a), load(*b));
                    (busy_a * weight_b).cmp(&(busy_b * weight_a))
                };
                let least = weighty().min_by(less)?;
                draw(
                    || weighty().filter(|index| less(index, &least).is_eq()),
                    weight,
                    random,
                )
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("targets", &self.targets())
            .field("strategy", &self.strategy)
            .finish()
    }
}

impl FromIterator<Target> for Pool {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        Self::new(targets)
    }
}

/// How a target is chosen. A target is left out while it has asked not to be called, whatever the strategy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Strategy {
    /// At random, in proportion to the weights.
    #[default]
    Weighted,
    /// The one with the fewest requests under way for its weight; a request is under way until its answer's body ends.
    LeastBusy,
}

/// One at random, in proportion to the weights.
fn draw<I: Iterator<Item = usize>>(
    candidates: impl Fn() -> I,
    weight: impl Fn(usize) -> u64,
    random: u64,
) -> Option<usize> {
    let total: u64 = candidates().map(&weight).sum();
    let mut left = random.checked_rem(total)?;
    candidates().find(|&index| {
        let weight = weight(index);
        let hit = left < weight;
        left = left.saturating_sub(weight);
        hit
    })
}

/// A request remembers in one word which targets it has tried.
pub(crate) const MOST_TARGETS: usize = 64;

#[cfg(test)]
mod tests {
    use tollgate_core::fact::Target;

    use super::{Pool, Strategy};

    fn pool(weights: &[u32]) -> Pool {
        let target =
            |(index, weight): (usize, &u32)| Target::new(index.to_string()).with_weight(*weight);
        weights.iter().enumerate().map(target).collect()
    }

    fn shares(pool: &Pool, usable: impl Fn(usize) -> bool + Copy) -> Vec<usize> {
        let mut shares = vec![0; pool.targets().len()];
        for random in 0..100 {
            if let Some(index) = pool.choose(usable, |_| 0, random) {
                shares[index] += 1;
            }
        }
        shares
    }

    #[test]
    fn shares_are_in_proportion_to_the_weights_of_those_that_can_serve() {
        assert_eq!(shares(&pool(&[4, 1, 5]), |_| true), [40, 10, 50]);
        assert_eq!(shares(&pool(&[4, 1, 5]), |index| index != 2), [80, 20, 0]);
        assert_eq!(shares(&pool(&[4, 1]), |_| false), [0, 0]);
        assert_eq!(shares(&pool(&[]), |_| true), [0; 0]);
    }

    #[test]
    fn those_without_weight_serve_only_when_nobody_else_can() {
        assert_eq!(shares(&pool(&[1, 0, 0]), |_| true), [100, 0, 0]);
        assert_eq!(shares(&pool(&[1, 0, 0]), |index| index > 0), [0, 50, 50]);
    }

    #[test]
    fn the_least_busy_for_its_weight_is_chosen() {
        let pool = pool(&[1, 4]).strategy(Strategy::LeastBusy);
        for (busy, chosen) in [
            ([0, 0], 1),
            ([0, 2], 1),
            ([0, 4], 0),
            ([1, 6], 1),
            ([1, 8], 0),
        ] {
            assert_eq!(
                pool.choose(|_| true, |index| busy[index], 0),
                Some(chosen),
                "{busy:?}"
            );
        }
        let even = super::Pool::new([Target::new("a"), Target::new("b")]);
        let even = even.strategy(Strategy::LeastBusy);
        let chosen = [0, 1].map(|random| even.choose(|_| true, |_| 3, random));
        assert_eq!(chosen, [Some(0), Some(1)], "a tie is broken at random");
    }
}
