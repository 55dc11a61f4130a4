use std::collections::{HashMap, HashSet};

use tollgate_quota::bank::{Asker, Demand, Holder, Message, Reply, Window};

use crate::{audit::Place, chance::Chance, defect::Defect, replica::half_of};

/// A server that lends from memory: a transcription of what the scripts of a Redis reserve do.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// The server's `run_id`, drawn anew by a start, and its `master_replid`: that of its primary, and drawn anew by
    /// becoming one.
    pub(crate) run: u128,
    pub(crate) line: u128,
    hashes: HashMap<Place, Hash>,
}

/// The funds of a window.
#[derive(Clone, Debug)]
struct Hash {
    run: u128,
    line: u128,
    holder: Holder,
    funded: i64,
    granted: i64,
    seq: u64,
    askers: HashMap<Asker, (u64, Reply)>,
}

/// What the servers did, whatever they remember of it.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// What clients have seen of a window's funds, for a reserve that would believe them.
    hearsay: HashMap<(Asker, u64), (Holder, i64, i64)>,
    /// What a holder did for a message: once, however often it may forget and repeat it.
    done: HashSet<(Holder, Asker, u64)>,
    /// What a holder may lend.
    free: HashMap<Holder, i128>,
}

impl Witness {
    fn saw(&mut self, holder: Holder, message: &Message<Demand>, reply: &Reply) {
        if !self.done.insert((holder, message.asker, message.number)) {
            return;
        }
        let change = match (&message.ask, reply) {
            (_, Reply::Leased { amount, .. }) => -i128::from(*amount),
            (Demand::Fund { amount, .. } | Demand::GiveBack { amount, .. }, Reply::Booked) => {
                i128::from(*amount)
            }
            _ => 0,
        };
        *self.free.entry(holder).or_default() += change;
    }

    /// Whether no holder has lent more than it was ever funded.
    pub(crate) fn is_sound(&self) -> bool {
        self.free.values().all(|free| *free >= 0)
    }
}

impl Server {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        Self {
            run: chance.wide(),
            line: chance.wide(),
            hashes: HashMap::new(),
        }
    }

    pub(crate) fn flush(&mut self) {
        self.hashes.clear();
    }

    /// Becomes a replica of another server.
    pub(crate) fn follow(&mut self, primary: &Self) {
        self.line = primary.line;
        self.remember(primary);
    }

    /// Takes another's memory, as a replica does, or a server that reads its file.
    pub(crate) fn remember(&mut self, older: &Self) {
        self.hashes.clone_from(&older.hashes);
    }

    pub(crate) fn ask(
        &mut self,
        message: &Message<Demand>,
        time: i64,
        defect: Option<Defect>,
        witness: &mut Witness,
    ) -> Reply {
        let Message { asker, number, .. } = *message;
        let half = half_of(&message.account);
        if let Demand::Lease {
            window,
            holder,
            seen,
            nonce,
            ..
        } = &message.ask
        {
            let seen = if defect == Some(Defect::SkipsTheSequence) {
                0
            } else {
                *seen
            };
            let remembers = self.hashes.get(&(half, window.number)).is_some_and(|hash| {
                hash.run == self.run
                    && (hash.line == self.line || defect == Some(Defect::ForgetsThatItWasAReplica))
                    && (*holder != Some(hash.holder) || hash.seq >= seen)
            });
            if !remembers {
                let mut fresh = self.fresh(*nonce, time, defect);
                if defect == Some(Defect::MergesWhatClientsSay)
                    && let Some((holder, funded, granted)) =
                        witness.hearsay.get(&(asker, window.number))
                {
                    (fresh.holder, fresh.funded, fresh.granted) = (*holder, *funded, *granted);
                }
                self.hashes.insert((half, window.number), fresh);
            }
        }
        let (window, of) = addressed(&message.ask);
        let (run, line) = (self.run, self.line);
        let trusts = |hash: &&mut Hash| {
            hash.run == run
                && (hash.line == line || defect == Some(Defect::ForgetsThatItWasAReplica))
        };
        let Some(hash) = self.hashes.get_mut(&(half, window.number)).filter(trusts) else {
            return Reply::Stale;
        };
        if of.is_some_and(|of| of != hash.holder) {
            return Reply::Stale;
        }
        match hash.askers.get(&asker) {
            Some((last, reply)) if number == *last => return reply.clone(),
            Some((last, _)) if number < *last => return Reply::Old,
            _ => {}
        }
        hash.seq += 1;
        let reply = hash.decide(&message.ask);
        witness.saw(hash.holder, message, &reply);
        hash.askers.insert(asker, (number, reply.clone()));
        witness.hearsay.insert(
            (asker, window.number),
            (hash.holder, hash.funded, hash.granted),
        );
        reply
    }

    /// What is funded and not lent, of the windows that are remembered.
    pub(crate) fn free(&self, place: Place) -> i64 {
        let hash = self
            .hashes
            .get(&place)
            .filter(|hash| hash.run == self.run && hash.line == self.line);
        hash.map_or(0, |hash| hash.funded - hash.granted)
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.hashes
            .values()
            .all(|hash| 0 <= hash.granted && hash.granted <= hash.funded)
    }

    fn fresh(&self, nonce: u128, time: i64, defect: Option<Defect>) -> Hash {
        // Its name is a hash of all of these; where time is left out, only the nonce tells two memories of a process apart.
        let time = if defect == Some(Defect::KeepsTheNonce) {
            0
        } else {
            time
        };
        let name = [self.run, self.line, nonce, time.cast_unsigned().into()]
            .into_iter()
            .fold(0_u128, |name, part| {
                (name ^ part)
                    .wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
                    .rotate_left(61)
            });
        Hash {
            run: self.run,
            line: self.line,
            holder: Holder(name),
            funded: 0,
            granted: 0,
            seq: 0,
            askers: HashMap::new(),
        }
    }
}

impl Hash {
    fn decide(&mut self, demand: &Demand) -> Reply {
        let (holder, seq) = (self.holder, self.seq);
        match *demand {
            Demand::Lease { least, wish, .. } => {
                let free = self.funded - self.granted;
                if least < 0 || wish < least || free < least {
                    return Reply::Unfunded { holder, seq };
                }
                let amount = wish.min(free / 2).max(least);
                self.granted += amount;
                Reply::Leased {
                    holder,
                    seq,
                    amount,
                    scarce: self.funded - self.granted < least,
                }
            }
            Demand::Fund { amount, .. } => match self.funded.checked_add(amount) {
                Some(funded) if amount >= 0 => {
                    self.funded = funded;
                    Reply::Booked
                }
                _ => Reply::Stale,
            },
            Demand::GiveBack { amount, .. } => match self.granted.checked_sub(amount) {
                Some(granted) if amount >= 0 && granted >= 0 => {
                    self.granted = granted;
                    Reply::Booked
                }
                _ => Reply::Stale,
            },
        }
    }
}

/// The window, and the holder that alone may answer.
pub(crate) fn addressed(demand: &Demand) -> (Window, Option<Holder>) {
    match *demand {
        Demand::Lease { window, holder, .. } => (window, holder),
        Demand::Fund { window, holder, .. } | Demand::GiveBack { window, holder, .. } => {
            (window, Some(holder))
        }
    }
}
