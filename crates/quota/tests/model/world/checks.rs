use std::collections::BTreeMap;

use super::World;
use crate::{
    audit::{Place, Violation},
    provider::Heard,
    reserve::Server,
};

impl World {
    /// Everything is well again: who asks for money that there is must get it.
    pub(super) fn try_again(&mut self) -> Result<(), Violation> {
        for replica in 0..self.plan.replicas {
            let end = self.now + 10_000;
            let amount = self.plan.price;
            loop {
                let at = self.time(replica);
                let wall = self.now + self.authority.skew;
                if let Some(shares) = self.replicas[replica].hold(amount, at, wall, None) {
                    self.replicas[replica].settle(shares, Heard::Unsent, 0, at);
                    break;
                }
                self.pump(replica);
                if self.now >= end {
                    let window = self.authority.left().map(|(window, _)| window);
                    let granted = window
                        .and_then(|window| self.authority.granted(window))
                        .unwrap_or(0);
                    let left = self.replicas[replica].limit.saturating_sub(granted);
                    if left >= amount {
                        let stuck = &self.replicas[replica];
                        return Err(Violation::new(format!(
                            "no {amount} of {left} for {stuck:?}"
                        )));
                    }
                    break;
                }
                self.until(self.now + 100)?;
            }
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), Violation> {
        if !self.servers.iter().all(Server::is_sound)
            || !self.plan.rewinds && !self.witness.is_sound()
        {
            return Err(Violation::new(
                "the reserve has lent more than it has".into(),
            ));
        }
        let mut free = BTreeMap::<Place, i128>::new();
        for replica in &self.replicas {
            replica.check()?;
            for (place, amount) in replica.free() {
                *free.entry(place).or_default() += i128::from(amount);
            }
        }
        for window in self
            .audit
            .windows
            .keys()
            .chain(free.keys())
            .filter(|(half, window)| *window >= self.authority.first(*half))
        {
            let granted = i128::from(self.authority.granted(*window).unwrap_or_default());
            let committed = self.audit.committed(*window);
            let free = free.get(window).copied().unwrap_or_default();
            if committed + free > granted {
                return Err(Violation::new(format!(
                    "of window {window:?} {granted} is granted, {committed} held or spent, and {free} free"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn sum_up(&mut self) {
        self.audit.figures.runs = 1;
        let Some((window, _)) = self.authority.left() else {
            return;
        };
        let granted = i128::from(self.authority.granted(window).unwrap_or_default());
        let settled = self
            .audit
            .windows
            .get(&window)
            .map_or(0, |tally| tally.settled);
        let parked = self.parked();
        // A usage that cannot be uses up a budget, or does not fit into it.
        if self.plan.absurd {
            return;
        }
        self.audit.figures.limits = i128::from(self.plan.limit);
        self.audit.figures.parked = parked.into();
        self.audit.figures.stranded = granted - settled - i128::from(parked);
    }

    pub(super) fn parked(&self) -> i64 {
        self.authority
            .left()
            .map_or(0, |(window, _)| self.servers[self.primary].free(window))
    }
}
