use super::{Event, World};
use crate::{
    fault::{Fault, Memory},
    plan::MOST_OFF,
};

impl World {
    pub(super) fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Kill(replica, long) => {
                self.replicas[replica].kill();
                self.break_off(replica);
                self.after(long, Event::Starts(replica));
            }
            Fault::Stop(replica, long) => self.stop(replica, long),
            Fault::CutOff(replica, long) => self.replicas[replica].cut_until = self.now + long,
            Fault::Jump(replica, by) => self.replicas[replica].jump(by),
            Fault::AuthorityJumps(by) => match self.plan.strict {
                // Clocks agree, more or less.
                Some(_) => {
                    let by = by.rem_euclid(2 * MOST_OFF + 1) - MOST_OFF;
                    self.authority.skew = self.plan.begins_at + by;
                }
                None => self.authority.skew += by,
            },
            Fault::AuthorityAway(away) => self.authority.away = away,
            Fault::ReserveJumps(by) => self.reserve_skew += by,
            Fault::ReserveAway(away) => self.reserve_away = away,
            Fault::ReserveRestarts(memory) => {
                let server = &mut self.servers[self.primary];
                server.run = self.chance.wide();
                match memory {
                    Memory::Whole => {}
                    Memory::Older => server.remember(&self.older),
                    Memory::Lost => server.flush(),
                }
            }
            Fault::Flush => self.servers[self.primary].flush(),
            Fault::Rewind => self.servers[self.primary].remember(&self.older),
            Fault::Copy => self.older = self.servers[self.primary].clone(),
            Fault::FailOver => {
                // The old one becomes a replica of the new, unless some are still split off with it.
                let old = self.primary;
                self.primary = 1 - old;
                self.servers[self.primary].remember(&self.older);
                self.servers[self.primary].line = self.chance.wide();
                if self.replicas.iter().all(|replica| replica.server.is_none()) {
                    let primary = self.servers[self.primary].clone();
                    self.servers[old].follow(&primary);
                }
            }
            Fault::Split(replica) => {
                let other = 1 - self.primary;
                let replica = &mut self.replicas[replica];
                replica.server = match replica.server {
                    Some(_) => None,
                    None => Some(other),
                };
            }
            Fault::Lower(replica, limit) => self.replicas[replica].lower(limit),
        }
    }

    pub(super) fn mend(&mut self) {
        self.mended = true;
        self.authority.away = false;
        self.reserve_away = false;
        for index in 0..self.plan.replicas {
            let replica = &mut self.replicas[index];
            replica.cut_until = self.now;
            let goes_on = replica.stopped_until.min(self.now + 1);
            // What was put off until then happens then; it is only not put off again.
            replica.stopped_until = goes_on;
            replica.server = None;
            if !replica.is_alive() {
                replica.start();
            }
        }
    }
}
