use tollgate_quota::bank::{Demand, Message, Order};

use super::{Event, World};
use crate::{
    audit::Violation,
    wire::{Back, From, Sent},
};

impl World {
    pub(super) fn send(&mut self, from: From, sent: Sent) {
        self.note(&format_args!("{} sends {sent:?}", from.replica));
        let away = match sent {
            Sent::Authority(_) => self.authority.away,
            Sent::Reserve(_) => self.reserve_away,
        };
        if away && self.chance.happens(500) {
            self.after(1, Event::Silent(from));
            return;
        }
        let event = match sent {
            Sent::Authority(message) => Event::AtAuthority(from, message),
            Sent::Reserve(message) => Event::AtReserve(from, message),
        };
        self.travel(from.replica, &event);
    }

    /// Lets a message arrive some time, or not, or twice.
    pub(super) fn travel(&mut self, replica: usize, event: &Event) {
        if self.replicas[replica].cut_until > self.now {
            return;
        }
        let copies = if self.mended {
            1
        } else {
            1 + i64::from(self.chance.happens(self.plan.doubled))
        };
        for copy in 0..copies {
            if self.mended || !self.chance.happens(self.plan.lost) {
                let delay = match copy {
                    _ if self.mended => 1,
                    0 => self.chance.between(0, self.plan.delay),
                    _ => self.chance.between(0, 5 * self.plan.delay),
                };
                self.after(delay, event.clone());
            }
        }
    }

    pub(super) fn at_authority(
        &mut self,
        from: From,
        message: &Message<Order>,
    ) -> Result<(), Violation> {
        if self.authority.away {
            return Ok(());
        }
        let answer = self.authority.ask(message, self.now, self.defect)?;
        if from.ticket.number > 0 {
            self.travel(from.replica, &Event::Back(from, Back::Authority(answer)));
        }
        Ok(())
    }

    pub(super) fn at_reserve(&mut self, from: From, message: &Message<Demand>) {
        if self.reserve_away {
            return;
        }
        let server = self.replicas[from.replica].server.unwrap_or(self.primary);
        // Microseconds of the server's clock. What comes later has a later one, unless the clock jumps.
        let time = (self.now + self.reserve_skew) * 1_000
            + i64::try_from(self.count % 1_000).expect("it is small");
        let reply = self.servers[server].ask(message, time, self.defect, &mut self.witness);
        self.travel(from.replica, &Event::Back(from, Back::Reserve(reply)));
    }
}
