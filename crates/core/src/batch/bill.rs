use super::share::{share_cost, share_usage};
use crate::{
    Trail,
    fact::{Cost, Dispatch, Failure, Usage},
};

/// Writes what a batch has used, and how it went, at its members' nodes when it is dropped: whatever has ended the batch,
/// the shares are there before a member hears of it.
pub(super) struct Bill {
    whole: Trail,
    members: Vec<Trail>,
    weights: Vec<u64>,
    apart: bool,
}

impl Bill {
    pub(super) fn new(members: Vec<Trail>, weights: Vec<u64>) -> Self {
        Self {
            whole: Trail::new(),
            members,
            weights,
            apart: false,
        }
    }

    /// The batch's own node.
    pub(super) const fn trail(&self) -> &Trail {
        &self.whole
    }

    /// Each member is to be sent again by itself, and its node tells how that went.
    pub(super) fn apart(mut self) {
        self.apart = true;
    }

    fn share_out(&self, node: impl Fn(&Trail) -> Trail) {
        if let Some(usage) = self.whole.sum::<Usage>() {
            let shares = share_usage(usage, &self.weights);
            for (member, share) in self.members.iter().zip(shares) {
                node(member).set(share);
            }
        }
        if let Some(cost) = self.whole.sum::<Cost>() {
            let shares = share_cost(cost, &self.weights);
            for (member, share) in self.members.iter().zip(shares) {
                node(member).set(share);
            }
        }
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        if self.apart {
            // A refusal is usually free. What it did cost must not be overwritten by the attempt to come.
            let usage = self.whole.sum::<Usage>();
            let cost = self.whole.sum::<Cost>();
            let free = usage.is_none_or(|usage| usage.total() == 0)
                && cost.is_none_or(|cost| cost.nanos() == 0);
            if !free {
                self.share_out(Trail::child);
            }
            return;
        }
        self.share_out(Trail::clone);
        let (dispatch, failure) = (self.whole.get::<Dispatch>(), self.whole.get::<Failure>());
        let notes = self.whole.notes();
        for member in &self.members {
            if let Some(dispatch) = dispatch {
                member.set(dispatch);
            }
            if let Some(failure) = &failure {
                member.set(failure.clone());
            }
            for (name, value) in &notes {
                member.note(name.clone(), value.clone());
            }
            member.note("batch_members", self.members.len());
        }
    }
}
