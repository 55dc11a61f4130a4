/// How much money an account moves, and so how much it should ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizing {
    /// The running second.
    second: u64,
    /// What holds took in it, net of settlements.
    taken: i64,
    /// The same in the second before.
    before: i64,
    /// The largest hold of late.
    largest: i64,
    /// The last lease.
    last: i64,
}

impl Sizing {
    pub(crate) fn held(&mut self, amount: i64, now: u64) {
        self.turn(now);
        self.taken = self.taken.saturating_add(amount);
        self.largest = self.largest.max(amount);
    }

    pub(crate) fn settled(&mut self, freed: i64, now: u64) {
        self.turn(now);
        self.taken = self.taken.saturating_sub(freed);
    }

    pub(crate) fn leased(&mut self, amount: i64) {
        self.last = amount;
    }

    /// What is worth asking for: a second's need, at least three of the largest holds. The first lease is the least, and
    /// then it doubles: who crashes again and again strands little.
    pub(crate) fn wish(&mut self, least: i64, wanted: i64, now: u64) -> i64 {
        self.turn(now);
        let need = self
            .taken
            .max(self.before)
            .max(self.largest.saturating_mul(3))
            .max(wanted);
        need.min(self.last.saturating_mul(2)).max(least)
    }

    /// Whether so little is left that it is time to ask again.
    pub(crate) fn is_low(&self, free: i64) -> bool {
        free < self.last / 4
    }

    pub(crate) fn largest(&self) -> i64 {
        self.largest
    }

    fn turn(&mut self, now: u64) {
        let second = now / 1_000;
        if second == self.second {
            return;
        }
        self.before = if second == self.second + 1 {
            self.taken
        } else {
            0
        };
        self.taken = 0;
        self.second = second;
        // A large hold of the past fades.
        self.largest -= self.largest / 4;
    }
}
