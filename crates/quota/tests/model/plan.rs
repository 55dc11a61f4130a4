use std::time::Duration;

use tollgate_core::fact::{Period, Strict};
use tollgate_quota::bank::calendar::{Calendar, Half, TOLERANCE};

use crate::{chance::Chance, defect::Defect};

/// The shape of one run: what is there, how much is asked, and how well things go. It follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) replicas: usize,
    pub(crate) reserve: bool,
    pub(crate) limit: i64,
    /// The authority's clock as the run begins, in milliseconds since 1970. Windows are hours.
    pub(crate) begins_at: i64,
    /// How long the run lasts before everything is mended, and calls come no more, in milliseconds.
    pub(crate) lasts: i64,
    /// The mean time between calls of a replica.
    pub(crate) pause: i64,
    /// The most tokens of a call, and its longest time.
    pub(crate) largest: i64,
    pub(crate) longest: i64,
    /// The price of a token, and when it becomes another.
    pub(crate) price: i64,
    pub(crate) rise: Option<(i64, i64)>,
    /// Whether it is known before. Else replicas read it when it happens, and those that are dead or stopped do not.
    pub(crate) is_announced: bool,
    /// Of a thousand messages, so many are lost, and so many come twice; and the longest time on the way.
    pub(crate) lost: i64,
    pub(crate) doubled: i64,
    pub(crate) delay: i64,
    /// So long an answer is waited for.
    pub(crate) time_out: i64,
    pub(crate) faults: usize,
    /// Whether nothing goes wrong at all.
    pub(crate) is_calm: bool,
    /// Whether the reserve loses its memory again and again.
    pub(crate) flushes: bool,
    /// Whether servers take each other's place again and again.
    pub(crate) fails_over: bool,
    /// Whether each call produces as much as it may.
    pub(crate) full: bool,
    /// Whether ledgers forget accounts that nothing is open in.
    pub(crate) evicts: bool,
    /// Whether usage may be reported that cannot be.
    pub(crate) absurd: bool,
    /// Whether the reserve's memory is put back within a running process. Then nothing is promised: `seq` protects an asker
    /// who has seen more, and no other, and not what is given back or funded in between. There is one asker.
    pub(crate) rewinds: bool,
    /// Whether the budget is strict: then the clocks agree, and nobody stands still for longer than the guard.
    pub(crate) strict: Option<Terms>,
}

/// What a strict budget knows of calls and bills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// A call is cut off after so long, though the provider might take longer.
    pub(crate) longest: i64,
    /// How late a bill is dated.
    pub(crate) lag: i64,
    /// How far the provider's clock is ahead.
    pub(crate) ahead: i64,
}

impl Terms {
    pub(crate) fn strict(self) -> Strict {
        let time = |millis: i64| Duration::from_millis(millis.unsigned_abs());
        Strict {
            longest_call: time(self.longest),
            billing_lag: time(self.lag),
        }
    }

    /// One of the two calendars of a budget.
    pub(crate) fn calendar(self, is_odd: bool) -> Calendar {
        let lead = self.longest + self.lag + GUARD + TOLERANCE;
        Calendar {
            half: Some(Half { is_odd, lead }),
            ..Calendar::new(Period::Hour, "UTC")
        }
    }
}

impl Plan {
    pub(crate) fn of(seed: u64, chance: &mut Chance) -> Self {
        let rewinds = Self::rewinds(seed);
        let flushes = Self::flushes(seed);
        let fails_over = Self::fails_over(seed);
        let calm = seed.is_multiple_of(8);
        let largest = [1, 10, 100][chance.index(3)];
        let price = chance.between(1, 20);
        let lasts = chance.between(5_000, 25_000);
        let rise = chance.happens(400);
        let mut plan = Self {
            replicas: if rewinds { 1 } else { 1 + chance.index(4) },
            reserve: rewinds || flushes || fails_over || chance.happens(700),
            limit: largest * price * [3, 30, 300, 1_000][chance.index(4)],
            begins_at: HOUR
                - if chance.happens(600) {
                    chance.between(0, lasts)
                } else {
                    600_000
                },
            lasts,
            pause: [20, 100, 500][chance.index(3)],
            largest,
            longest: [10, 500, 5_000][chance.index(3)],
            price,
            rise: rise.then(|| {
                (
                    chance.between(0, lasts),
                    price + chance.between(1, 3 * price),
                )
            }),
            is_announced: seed.is_multiple_of(2),
            lost: if calm {
                0
            } else {
                [0, 20, 200][chance.index(3)]
            },
            doubled: if calm {
                0
            } else {
                [0, 20, 200][chance.index(3)]
            },
            delay: if calm {
                5
            } else {
                [2, 20, 400, 3_000][chance.index(4)]
            },
            time_out: 1_000,
            faults: if calm { 0 } else { chance.index(15) },
            is_calm: calm,
            flushes,
            fails_over,
            full: chance.happens(300),
            evicts: !rewinds && chance.happens(300),
            absurd: !calm && chance.happens(200),
            rewinds,
            strict: None,
        };
        if flushes {
            plan.lose_memory();
        }
        if Self::is_strict(seed) {
            plan.be_strict(chance);
        }
        plan
    }

    /// Whether the reserve's memory may be put back in a run of this seed.
    pub(crate) const fn rewinds(seed: u64) -> bool {
        seed % 8 == 7
    }

    /// Whether it is lost again and again.
    pub(crate) const fn flushes(seed: u64) -> bool {
        seed % 8 == 5
    }

    /// Whether servers take each other's place again and again.
    pub(crate) const fn fails_over(seed: u64) -> bool {
        seed % 8 == 3
    }

    /// Whether the budget is strict.
    pub(crate) const fn is_strict(seed: u64) -> bool {
        seed % 8 == 6
    }

    /// Some calls are made long before the hour's end, and some long after it.
    fn be_strict(&mut self, chance: &mut Chance) {
        self.lasts = chance.between(20_000, 60_000);
        self.begins_at = HOUR - chance.between(0, self.lasts);
        self.pause = [100, 500][chance.index(2)];
        self.limit = self.largest * self.price * [3, 10, 50][chance.index(3)];
        self.rise = None;
        self.absurd = false;
        self.strict = Some(Terms {
            longest: self.longest,
            lag: [0, 3_000][chance.index(2)],
            ahead: chance.between(-MOST_OFF, MOST_OFF + 1),
        });
        self.longest = 4 * (self.longest + GUARD);
    }

    /// The reserve's memory is lost ten times a second, and answers with it: what is repeated meets another memory.
    const fn lose_memory(&mut self) {
        self.lasts = 8_000;
        self.faults = 80;
        (self.lost, self.doubled, self.delay, self.time_out) = (50, 800, 40, 150);
        self.replicas += 1;
        (self.largest, self.pause, self.longest) = (10, 20, 500);
        self.limit = 3_000 * self.price;
    }

    pub(crate) fn price_at(&self, now: i64) -> i64 {
        match self.rise {
            Some((at, price)) if at <= now => price,
            _ => self.price,
        }
    }

    /// What a call of so many tokens may cost at most: the dearest price that may apply until its end.
    pub(crate) fn worst(&self, maximum: i64, now: i64, defect: Option<Defect>) -> i64 {
        match defect {
            Some(Defect::HoldsAtTheOldPrice) => maximum * self.price_at(now),
            _ if !self.is_announced => maximum * self.price_at(now),
            Some(Defect::HoldsWhatItWouldCutAt) => {
                (maximum + 1) / 2 * self.price_at(now + self.longest)
            }
            _ => maximum * self.price_at(now).max(self.price_at(now + self.longest)),
        }
    }
}

/// A full hour, some time in 2026.
const HOUR: i64 = 494_000 * 3_600_000;

/// So long after its hold a call is sent at the latest, and so long a process may stand still.
pub(crate) const GUARD: i64 = 10_000;

/// The clocks of the authority and of the provider are off by so much at most: half of what they may be apart.
pub(crate) const MOST_OFF: i64 = TOLERANCE / 2;
