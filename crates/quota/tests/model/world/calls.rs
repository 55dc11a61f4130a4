//! Calls that a strict budget pays for: held, connected, sent, and cut off.

use super::{Event, World};
use crate::{defect::Defect, plan::GUARD, provider::Heard, replica::Paid};

impl World {
    /// It takes some time until there is a connection.
    pub(super) fn connect(&mut self, paid: Box<Paid>) {
        let most = [2, 50, GUARD + 5_000][self.chance.index(3)];
        let long = self.chance.between(0, most);
        self.after(long, Event::Sends(paid));
    }

    /// Right before the write it is looked whether it is too late. The process may stand still between the two.
    pub(super) fn send_call(&mut self, mut paid: Box<Paid>) {
        if !self.is_alive(&paid) {
            return;
        }
        let longest = self.plan.strict.map_or(0, |strict| strict.longest);
        let waited = self.time(paid.replica) - paid.held_at;
        let is_late = waited > longest.min(GUARD).unsigned_abs();
        if is_late && self.defect != Some(Defect::SendsLate) {
            paid.call.heard = Heard::Unsent;
        }
        if paid.call.heard == Heard::Unsent {
            self.after(0, Event::Settles(paid));
            return;
        }
        let mut pause = 0;
        if self.chance.happens(20) {
            pause = self.chance.between(0, GUARD + 1);
            self.stop(paid.replica, pause);
            pause = (self.replicas[paid.replica].stopped_until - self.now).clamp(0, pause);
        }
        self.after(pause, Event::Writes(paid));
    }

    /// From here on the provider is at work.
    pub(super) fn write_call(&mut self, mut paid: Box<Paid>) {
        if !self.is_alive(&paid) {
            return;
        }
        let long = (paid.call.ends_at - paid.sent_at).max(1);
        paid.sent_at = self.now;
        let (replica, call) = (paid.replica, self.count);
        let longest = self.plan.strict.map_or(0, |strict| strict.longest);
        let lived = self.time(replica) - paid.held_at;
        let rest = longest - i64::try_from(lived).unwrap_or(longest);
        self.open.insert(call, *paid);
        self.after(long, Event::Finishes(call));
        if self.defect != Some(Defect::LetsCallsGoOn) {
            self.after(rest, Event::Cuts(replica, call));
        }
    }

    /// The provider has said all, or is told to stop: what it has produced it bills.
    pub(super) fn finish_call(&mut self, call: u64, is_cut: bool) {
        let Some(mut paid) = self.open.remove(&call) else {
            return;
        };
        if is_cut {
            paid.call.heard = Heard::Cut(0);
        }
        paid.call.ends_at = self.now;
        self.after(0, Event::Ends(Box::new(paid)));
    }

    /// With the process its connections end.
    pub(super) fn break_off(&mut self, replica: usize) {
        let open = self.open.iter().filter(|(_, paid)| paid.replica == replica);
        let calls: Vec<_> = open.map(|(call, _)| *call).collect();
        for call in calls {
            self.finish_call(call, true);
        }
    }

    /// A process of a strict budget stands still for a while, and then moves before it stands still again.
    pub(super) fn stop(&mut self, replica: usize, long: i64) {
        let stopped = &mut self.replicas[replica].stopped_until;
        match self.plan.strict {
            Some(_) if *stopped < self.now => *stopped = self.now + long.min(GUARD),
            Some(_) => {}
            None => *stopped = self.now + long,
        }
    }

    /// When a call was billed, by the provider's clock: at some time of its use, or a little later.
    pub(super) fn date(&mut self, paid: &Paid) -> i64 {
        let Some(strict) = self.plan.strict else {
            return self.now;
        };
        let used = self.now - paid.sent_at;
        let after = match self.chance.index(4) {
            0 => 0,
            1 => self.chance.between(0, used + strict.lag + 1),
            _ => used + strict.lag,
        };
        self.plan.begins_at + paid.sent_at + after + strict.ahead
    }

    fn is_alive(&self, paid: &Paid) -> bool {
        let replica = &self.replicas[paid.replica];
        replica.life == paid.life && replica.is_alive()
    }
}
