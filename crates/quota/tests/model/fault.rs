use crate::{chance::Chance, plan::Plan};

/// What goes wrong; each is mended when the run's calls end, if not before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A replica is killed, and starts again after so long.
    Kill(usize, i64),
    /// A replica is stopped, and goes on after so long.
    Stop(usize, i64),
    /// No message reaches a replica, or leaves it, for so long.
    CutOff(usize, i64),
    /// A replica's clock jumps.
    Jump(usize, i64),
    /// The authority's clock jumps.
    AuthorityJumps(i64),
    /// The authority is away.
    AuthorityAway(bool),
    /// The reserve's clock jumps.
    ReserveJumps(i64),
    /// The reserve is away.
    ReserveAway(bool),
    /// The reserve starts again, and knows all, or what an older copy knew, or nothing.
    ReserveRestarts(Memory),
    /// All that the reserve knows is deleted.
    Flush,
    /// The reserve's memory is put back to an older copy, under a running process.
    Rewind,
    /// A copy is made, as replication and persistence do: of what is, it is soon an older one.
    Copy,
    /// The other server becomes the primary, with an older memory.
    FailOver,
    /// This replica's connections lead to the other server, which thinks that it is the primary, too.
    Split(usize),
    /// A limit is lowered, at one replica after the other.
    Lower(usize, i64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Memory {
    Whole,
    Older,
    Lost,
}

impl Fault {
    /// The faults of a run, and when they happen.
    pub(crate) fn draw(plan: &Plan, chance: &mut Chance) -> Vec<(i64, Self)> {
        let mut faults = Vec::new();
        for _ in 0..plan.faults {
            let at = chance.between(0, plan.lasts);
            let replica = chance.index(plan.replicas);
            if plan.rewinds && faults.is_empty() {
                faults.push((at, Self::Rewind));
                continue;
            }
            let long = chance.between(10, plan.lasts / 2);
            faults.push((at, Self::one(plan, replica, long, chance)));
            match faults.last() {
                Some((_, Self::AuthorityAway(_))) => {
                    faults.push((at + long, Self::AuthorityAway(false)))
                }
                Some((_, Self::ReserveAway(_))) => {
                    faults.push((at + long, Self::ReserveAway(false)))
                }
                _ => {}
            }
        }
        if plan.reserve {
            for _ in 0..4 {
                faults.push((chance.between(0, plan.lasts), Self::Copy));
            }
        }
        if !plan.rewinds && chance.happens(100) {
            let limit = chance.between(0, plan.limit);
            for replica in 0..plan.replicas {
                faults.push((chance.between(0, plan.lasts), Self::Lower(replica, limit)));
            }
        }
        faults
    }

    fn one(plan: &Plan, replica: usize, long: i64, chance: &mut Chance) -> Self {
        if plan.rewinds {
            return match chance.index(2) {
                0 => Self::CutOff(replica, long),
                _ => Self::Stop(replica, long),
            };
        }
        if plan.flushes {
            // The first one lives, and so names memories all the time.
            return match chance.index(4) {
                0 if replica > 0 => Self::Kill(replica, 1),
                _ => Self::Flush,
            };
        }
        if plan.fails_over && chance.happens(700) {
            return [Self::FailOver, Self::FailOver, Self::Copy][chance.index(3)];
        }
        let jump = chance.between(-10 * DAY, 10 * DAY);
        match chance.index(if plan.reserve { 15 } else { 8 }) {
            0 | 1 => Self::Kill(replica, long),
            2 => Self::Stop(replica, long),
            3 => Self::CutOff(replica, long),
            4 => Self::Jump(replica, jump),
            5 => Self::AuthorityJumps(jump),
            6 => Self::AuthorityAway(true),
            7 => Self::Kill(replica, 1),
            8 => Self::ReserveJumps(jump),
            9 => Self::ReserveAway(true),
            10 => {
                Self::ReserveRestarts([Memory::Whole, Memory::Older, Memory::Lost][chance.index(3)])
            }
            11 => Self::Flush,
            12 => Self::FailOver,
            13 => Self::Split(replica),
            _ => Self::ReserveRestarts(Memory::Older),
        }
    }
}

const DAY: i64 = 86_400_000;
