use std::time::Duration;

use tokio::time::Instant;
use tollgate_quota::Remaining;

use super::{Gcra, Need};

/// What was taken ahead of one account, and what the server told of it.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) gcra: Gcra,
    /// The oldest first.
    parts: Vec<Part>,
    /// What was admitted, by lease or by the server, since then.
    pub(super) used: u64,
    /// What was refused.
    pub(super) missed: u64,
    pub(super) since: Instant,
    /// What half a life takes, or would take.
    pub(super) wish: u64,
    pub(super) asking: bool,
    pub(super) denied: Option<Denied>,
    /// A life after the last refusal.
    pub(super) scarce_until: Instant,
    /// What the account owed when the server told last.
    debt: u64,
    debt_at: Instant,
}

impl Pool {
    pub(super) fn new(gcra: Gcra, now: Instant) -> Self {
        Self {
            gcra,
            parts: Vec::new(),
            used: 0,
            missed: 0,
            since: now,
            wish: 0,
            asking: false,
            denied: None,
            scarce_until: now,
            debt: 0,
            debt_at: now,
        }
    }

    /// Drops what is over, and sees how much is used in which time.
    pub(super) fn settle(&mut self, need: &Need, now: Instant) {
        self.parts.retain(|part| now < part.until && part.left > 0);
        let (elapsed, half) = (now.saturating_duration_since(self.since), need.life / 2);
        if elapsed >= half {
            let wanted = u128::from(self.used) + u128::from(self.missed);
            let wish = wanted * half.as_micros() / elapsed.as_micros().max(1);
            self.wish = u64::try_from(wish).unwrap_or(u64::MAX);
            (self.used, self.missed, self.since) = (0, 0, now);
        }
    }

    /// Of few units too many would be left over when a lease ends.
    pub(super) fn is_busy(&self, need: &Need) -> bool {
        let wish = self.wish.min(need.gcra.capacity / 4);
        need.least > 0 && wish / WORTH >= need.least
    }

    pub(super) fn left(&self) -> u64 {
        self.parts.iter().map(|part| part.left).sum()
    }

    pub(super) fn spend(&mut self, least: u64) -> bool {
        if self.left() < least {
            return false;
        }
        let mut open = least;
        for part in &mut self.parts {
            let taken = part.left.min(open);
            part.left -= taken;
            open -= taken;
        }
        self.used = self.used.saturating_add(least);
        true
    }

    /// What the server says that the account owes.
    pub(super) fn owes(&mut self, debt: u64, now: Instant) {
        (self.debt, self.debt_at) = (debt, now);
    }

    /// Keeps a lease of so much.
    pub(super) fn keep(&mut self, more: u64, until: Instant, now: Instant) {
        self.parts.retain(|part| now < part.until && part.left > 0);
        let full = self.parts.len() >= PARTS;
        match self.parts.last_mut() {
            Some(last) if full => {
                last.left = last.left.saturating_add(more);
                last.until = last.until.min(until);
            }
            _ => self.parts.push(Part { left: more, until }),
        }
    }

    /// The server refused, for so long.
    pub(super) fn deny(&mut self, need: &Need, wait: Duration, now: Instant) {
        self.missed = self.missed.saturating_add(need.least);
        self.scarce_until = now + need.life;
        let some = match self.is_busy(need) {
            true => need.life.min(need.gcra.time(need.gcra.capacity)) / 8,
            false => Duration::ZERO,
        };
        self.denied = Some(Denied {
            least: need.least,
            until: now + wait.max(some).min(need.life),
            enough_at: now + wait.min(FAR),
        });
    }

    pub(super) fn denied(&self, least: u64, now: Instant) -> Option<Duration> {
        let denied = self.denied.as_ref()?;
        let holds = least >= denied.least && now < denied.until;
        let enough_at = denied.enough_at.max(denied.until);
        holds.then(|| enough_at.saturating_duration_since(now))
    }

    /// As far as this process knows.
    pub(super) fn remaining(&self, now: Instant) -> Remaining {
        let elapsed = now.saturating_duration_since(self.debt_at).as_micros();
        let back = u64::try_from(elapsed)
            .unwrap_or(u64::MAX)
            .saturating_mul(self.gcra.speed);
        let debt = self.debt.saturating_sub(back);
        Remaining {
            remaining: self.gcra.remaining(debt.saturating_sub(self.left())),
            reset: self.gcra.time(debt),
        }
    }
}

#[derive(Debug)]
struct Part {
    left: u64,
    until: Instant,
}

/// As much, or more, is refused until then.
#[derive(Debug)]
pub(super) struct Denied {
    least: u64,
    until: Instant,
    enough_at: Instant,
}

/// A lease of fewer takes is not worth what may be left over.
const WORTH: u64 = 16;
pub(super) const PARTS: usize = 4;
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
