use tollgate_quota::{
    bank::{Answer, Asker, Demand, Message, Order, Reply},
    sim::Ticket,
};

use crate::{chance::Chance, defect::Defect};

/// Something on its way to a giver.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    Authority(Message<Order>),
    Reserve(Message<Demand>),
}

/// Something on its way back.
#[derive(Clone, Debug)]
pub(crate) enum Back {
    Authority(Answer),
    Reserve(Reply),
}

/// Where a message comes from: the life of a replica, and what its ledger awaits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct From {
    pub(crate) replica: usize,
    pub(crate) life: u64,
    /// Which of the budget's accounts.
    pub(crate) half: usize,
    pub(crate) ticket: Ticket,
}

/// What numbers messages on the way to one giver. It passes them on as they are, unless something is built wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire {
    asker: Option<Asker>,
    /// The last message of the ledger, and how it went out.
    last: u64,
    /// So many numbers were used up beside the ledger's own.
    ahead: u64,
    /// That of the asker's first lease.
    nonce: Option<u128>,
}

impl Wire {
    /// Whether the message is a repetition.
    fn number(&mut self, asker: Asker, number: u64) -> bool {
        if self.asker != Some(asker) {
            *self = Self {
                asker: Some(asker),
                ..Self::default()
            };
        }
        let repeated = self.last == number;
        self.last = number;
        repeated
    }

    pub(crate) fn pass_to_authority(
        &mut self,
        message: &mut Message<Order>,
        defect: Option<Defect>,
    ) {
        let repeated = self.number(message.asker, message.number);
        if repeated
            && defect == Some(Defect::GivesBackTwice)
            && matches!(message.ask, Order::GiveBack { .. })
        {
            self.ahead += 1;
        }
        message.number += self.ahead;
    }

    /// A message of nobody's: it gives back at the authority, too.
    pub(crate) fn beside(&mut self, message: &Message<Demand>) -> Option<Message<Order>> {
        let Demand::GiveBack { window, amount, .. } = message.ask else {
            return None;
        };
        if self.asker != Some(message.asker) {
            return None;
        }
        self.ahead += 1;
        Some(Message {
            account: message.account.clone(),
            asker: message.asker,
            number: self.last + self.ahead,
            ask: Order::GiveBack {
                window: window.number,
                amount,
            },
        })
    }

    /// Whether it is a repetition.
    pub(crate) fn pass_to_reserve(
        &mut self,
        message: &mut Message<Demand>,
        chance: &mut Chance,
        defect: Option<Defect>,
    ) -> bool {
        let repeated = self.number(message.asker, message.number);
        if repeated
            && defect == Some(Defect::GivesBackTwice)
            && matches!(message.ask, Demand::GiveBack { .. })
        {
            self.ahead += 1;
        }
        message.number += self.ahead;
        if let Demand::Lease { nonce, .. } = &mut message.ask {
            // Drawn here, since what the ledger draws does not follow from the seed.
            *nonce = chance.wide();
            if defect == Some(Defect::KeepsTheNonce) {
                *nonce = *self.nonce.get_or_insert(*nonce);
            }
        }
        repeated
    }
}
