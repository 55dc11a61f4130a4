use std::{fmt, mem, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, request, response};
use tollgate_core::{Limits, Observer, Outcome, Rejection, Trail, fact::Mode};

use crate::{
    accounts::Accounts,
    booking::Booking,
    estimate::used,
    refusal,
    shared::SharedRates,
    spent::{Bill, Spent},
    want::{Kind, Taken, Want, Wants, would_refuse},
};

/// What an admitted request holds until its answer has ended, and shows in the answer's head; nothing where no limit applies.
///
/// Dropped before that, the request was never admitted, and all is given back.
// Boxed, since it rides in an answer that is moved through the layers around it.
pub struct Permit(Option<Box<Held>>);

impl Permit {
    /// Of a request that no limit applies to.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) const fn of(held: Box<Held>) -> Self {
        Self(Some(held))
    }
}

impl Observer for Permit {
    fn listens(&self) -> bool {
        self.0.is_some()
    }

    fn answered(&mut self, head: &mut response::Parts) {
        if let Some(held) = &mut self.0 {
            held.answered(head);
        }
    }

    fn ended(self, _: Outcome) {
        if let Some(held) = self.0 {
            held.ended();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.0.as_ref().map_or(0, |held| held.wants.len());
        f.debug_struct("Permit")
            .field("limits", &limits)
            .finish_non_exhaustive()
    }
}

/// What is held while the request is served.
pub(crate) struct Held {
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) wants: Wants,
    /// Where it is read what was used.
    pub(crate) trail: Option<Trail>,
    /// How rates are counted while their store is away.
    pub(crate) away: Option<&'static str>,
    pub(crate) shared: Option<Arc<SharedRates>>,
    pub(crate) booking: Option<Box<Booking>>,
    taken_at: u64,
    rejected: bool,
}

impl Held {
    pub(crate) fn new(accounts: Arc<Accounts>, wants: Wants) -> Self {
        Self {
            accounts,
            wants,
            trail: None,
            away: None,
            shared: None,
            booking: None,
            taken_at: 0,
            rejected: false,
        }
    }

    /// Takes what is counted in memory, slots first: they cost nothing when the rest is refused.
    pub(crate) fn take(&mut self, max_keys: usize) -> Result<(), Rejection> {
        for want in &mut self.wants {
            if let Kind::Slot(limit) = want.kind {
                match self.accounts.slots.take(want.id, limit) {
                    Some(remaining) => want.took(Taken::InMemory, remaining.into(), None),
                    None if want.mode == Mode::Observe => {
                        would_refuse(want.policy.name(), self.trail.as_ref())
                    }
                    None => return Err(refusal::concurrency(&want.policy)),
                }
            }
        }
        self.take_rates(max_keys, |want| want.shared.is_none())
    }

    /// Takes of these rates in memory, and tells of the one that takes longest.
    pub(crate) fn take_rates(
        &mut self,
        max_keys: usize,
        which: fn(&Want) -> bool,
    ) -> Result<(), Rejection> {
        let mut longest: Option<(Duration, &Want)> = None;
        for want in self.wants.iter_mut().filter(|want| which(want)) {
            let Some(rate) = want.rate() else {
                continue;
            };
            if self.taken_at == 0 {
                self.taken_at = self.accounts.rates.now();
            }
            // Of a share, nothing could be taken that is more than the share ever has.
            want.cost = want.cost.min(rate.burst);
            let rates = &self.accounts.rates;
            let taken = rates.with(want.id, self.taken_at, max_keys, |bucket| match want.kind {
                Kind::Tokens(_) => bucket.reserve(rate, want.cost, self.taken_at),
                _ => bucket.take(rate, want.cost, self.taken_at),
            });
            match taken.ok_or_else(refusal::overloaded)? {
                Ok(left) => want.took(Taken::InMemory, left.remaining, left.reset),
                Err(_) if want.mode == Mode::Observe => {
                    would_refuse(want.policy.name(), self.trail.as_ref())
                }
                Err(wait) => {
                    if longest.is_none_or(|(longest, _)| longest < wait) {
                        longest = Some((wait, want));
                    }
                }
            }
        }
        match longest {
            Some((wait, want)) => Err(refusal::rate(want, 0, wait)),
            None => Ok(()),
        }
    }

    /// Tells whoever sends the request what is paid for.
    pub(crate) fn allow(&mut self, parts: &mut request::Parts) {
        if let (Some(booking), Some(trail)) = (&mut self.booking, &self.trail) {
            booking.allow(parts, trail);
            booking.open(&self.accounts);
        }
    }

    /// Gives back what was held, and settles what was reserved to what was spent; if the request was never admitted, all
    /// is as before.
    fn close(&mut self, spent: Option<Spent>) {
        let mut corrections = Vec::new();
        for want in &mut self.wants {
            let used = match (want.kind, spent) {
                (_, None) => 0,
                (Kind::Tokens(_), Some(Spent::Nothing)) => 0,
                (Kind::Tokens(measure), Some(Spent::Usage(usage))) => used(&usage, measure),
                _ => want.cost,
            };
            let rates = &self.accounts.rates;
            match (mem::replace(&mut want.taken, Taken::Nothing), want.kind) {
                (Taken::Nothing, _) => {}
                (_, Kind::Slot(_)) => self.accounts.slots.give_back(want.id),
                (Taken::InStore, _) => corrections.extend(want.correction(used)),
                (Taken::InMemory, Kind::Tokens(_)) => {
                    rates.mend(want.id, want.rate(), |bucket, rate, now| {
                        bucket.settle(rate, want.cost, used, now);
                    })
                }
                (Taken::InMemory, Kind::Rate) if used == 0 => {
                    rates.mend(want.id, want.rate(), |bucket, rate, now| {
                        bucket.undo(rate, want.cost, self.taken_at, now);
                    });
                }
                (Taken::InMemory, Kind::Rate) => {}
            }
        }
        if let (Some(shared), false) = (&self.shared, corrections.is_empty()) {
            shared.correct(corrections);
        }
    }
}

impl Held {
    fn answered(&mut self, head: &mut response::Parts) {
        self.rejected = head.extensions.get::<Rejection>().is_some();
        // A layer further in may have left its own there.
        let limits = head.extensions.get_or_insert_default::<Limits>();
        for want in &self.wants {
            if let Some(left) = want.left {
                limits.push(want.policy.limit(left));
                want.policy.write(left, &mut head.headers);
            }
        }
        if let Some(booking) = &self.booking {
            booking.left(|policy, left| {
                limits.push(policy.limit(left));
                policy.write(left, &mut head.headers);
            });
        }
        if let Some(away) = self.away {
            head.headers.insert(RATES, HeaderValue::from_static(away));
        }
    }

    fn ended(mut self) {
        let spent = match &self.trail {
            Some(trail) => Spent::of(trail, self.rejected),
            None => Spent::Unknown,
        };
        if let (Some(booking), Some(trail)) = (self.booking.take(), &self.trail) {
            booking.settle(Bill::of(trail, self.rejected), trail, &self.accounts);
        }
        self.close(Some(spent));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.wants.iter().any(|want| want.taken != Taken::Nothing) {
            self.close(None);
        }
    }
}

const RATES: HeaderName = HeaderName::from_static("x-tollgate-rates");
