use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Shared};
use http::request::Parts;
use tokio::sync::Notify;

use super::{Batch, Options, outcome::Outcome};
use crate::{
    Trail,
    fact::{Dispatch, Lifetime},
};

/// The batches that wait for members, by key.
pub(super) struct Batches<P: Batch, E> {
    pub(super) policy: Arc<P>,
    pub(super) options: Options,
    open: Mutex<HashMap<P::Key, Open<P, E>>>,
}

/// A batch in the making, and the call that it will be.
struct Open<P: Batch, E> {
    table: Arc<Table<P>>,
    running: Running<E>,
}

/// A call that whoever waits for it moves on.
pub(super) type Running<E> = Shared<BoxFuture<'static, Arc<Outcome<E>>>>;

impl<P: Batch, E> Batches<P, E> {
    pub(super) fn new(policy: Arc<P>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            policy,
            options,
            open: Mutex::default(),
        })
    }

    /// Gives a request a seat in the batch of its key, or in a new one that `run` makes a call of. Nothing if it is to
    /// go alone.
    pub(super) fn seat(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: &Bytes,
        run: impl FnOnce(Arc<Table<P>>, P::Key) -> Running<E>,
    ) -> Option<(Seat<P, E>, Running<E>)> {
        if self.options.window.is_zero() {
            return None;
        }
        let (key, member) = self.policy.read(parts, body)?;
        let mut guest = Guest {
            items: self.policy.items(&member).max(1),
            bytes: body.len(),
            trail: Trail::of(parts),
            lifetime: parts.extensions.get().copied(),
            member,
        };
        if !self.fits(guest.items + 1, guest.bytes + 1) {
            return None; // There would never be room for another.
        }
        // What is taken out of the map is dropped when the lock is free again.
        let _full;
        let mut open = self.lock();
        if let Some(found) = open.get(&key) {
            let (table, running) = (Arc::clone(&found.table), found.running.clone());
            match self.sit(&table, guest) {
                Ok((index, room)) => {
                    if !room {
                        table.full.notify_one();
                        _full = open.remove(&key);
                    }
                    drop(open);
                    return Some((Seat::new(self, table, key, index), running));
                }
                Err(turned_away) => {
                    guest = turned_away;
                    table.full.notify_one();
                    _full = open.remove(&key);
                }
            }
        }
        if open.len() >= self.options.max_open {
            return None;
        }
        let table = Arc::new(Table::new(parts.clone()));
        let running = run(Arc::clone(&table), key.clone());
        let Ok((index, _)) = self.sit(&table, guest) else {
            return None;
        };
        let opened = Open {
            table: Arc::clone(&table),
            running: running.clone(),
        };
        open.insert(key.clone(), opened);
        drop(open);
        Some((Seat::new(self, table, key, index), running))
    }

    /// Closes a batch: nobody joins it any more.
    pub(super) fn close(
        &self,
        key: &P::Key,
        table: &Arc<Table<P>>,
    ) -> (Parts, Vec<Option<Guest<P>>>) {
        let _open = self.take_if(key, table, |_| true);
        let mut seats = table.lock();
        seats.closed = true;
        for guest in seats.guests.iter().flatten() {
            // Whoever leaves from here on does not know whether its part was sent.
            guest.trail.set(Dispatch::Yes);
        }
        (seats.head.clone(), std::mem::take(&mut seats.guests))
    }

    /// Takes a seat if there is room, and says whether there is more.
    fn sit(&self, table: &Table<P>, guest: Guest<P>) -> Result<(usize, bool), Guest<P>> {
        let mut seats = table.lock();
        let (items, bytes) = (seats.items + guest.items, seats.bytes + guest.bytes);
        let index = seats.guests.len();
        if seats.closed || !self.fits(items.max(index + 1), bytes) {
            return Err(guest);
        }
        guest.trail.set(Dispatch::No); // It only waits so far.
        (seats.items, seats.bytes) = (items, bytes);
        if let Some(own) = guest.lifetime {
            // They are sent together, and end together.
            let others = seats.head.extensions.get::<Lifetime>();
            let all = others.map_or(own, |others| others.and(own));
            seats.head.extensions.insert(all);
        }
        seats.guests.push(Some(guest));
        Ok((index, self.fits(items.max(index + 1) + 1, bytes + 1)))
    }

    const fn fits(&self, items: usize, bytes: usize) -> bool {
        items <= self.options.max_items && bytes <= self.options.max_bytes
    }

    /// Takes a batch out of the map, if it is still this one.
    fn take_if(
        &self,
        key: &P::Key,
        table: &Arc<Table<P>>,
        wanted: impl FnOnce(&Table<P>) -> bool,
    ) -> Option<Open<P, E>> {
        let mut open = self.lock();
        let found = &open.get(key)?.table;
        if Arc::ptr_eq(found, table) && wanted(found) {
            open.remove(key)
        } else {
            None
        }
    }

    // Of the user's code, only a key's `Eq` and `Hash` and the `Clone` of the service and the head run under the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<P::Key, Open<P, E>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who go together. Locked after the map, if both are.
pub(super) struct Table<P: Batch> {
    seats: Mutex<Seats<P>>,
    pub(super) full: Notify,
}

struct Seats<P: Batch> {
    head: Parts,
    guests: Vec<Option<Guest<P>>>,
    items: usize,
    bytes: usize,
    closed: bool,
}

/// One request of a batch.
pub(super) struct Guest<P: Batch> {
    pub(super) member: P::Member,
    pub(super) trail: Trail,
    lifetime: Option<Lifetime>,
    items: usize,
    bytes: usize,
}

impl<P: Batch> Table<P> {
    fn new(head: Parts) -> Self {
        Self {
            seats: Mutex::new(Seats {
                head,
                guests: Vec::new(),
                items: 0,
                bytes: 0,
                closed: false,
            }),
            full: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seats<P>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, index: usize) -> Option<Guest<P>> {
        let mut seats = self.lock();
        let guest = seats.guests.get_mut(index)?.take()?;
        seats.items -= guest.items;
        seats.bytes -= guest.bytes;
        Some(guest)
    }

    fn is_empty(&self) -> bool {
        self.lock().guests.iter().all(Option::is_none)
    }
}

/// A member's place; who drops it before the batch has gone out does not go with it.
pub(super) struct Seat<P: Batch, E> {
    batches: Arc<Batches<P, E>>,
    table: Arc<Table<P>>,
    key: P::Key,
    pub(super) index: usize,
}

impl<P: Batch, E> Seat<P, E> {
    fn new(batches: &Arc<Batches<P, E>>, table: Arc<Table<P>>, key: P::Key, index: usize) -> Self {
        Self {
            batches: Arc::clone(batches),
            table,
            key,
            index,
        }
    }
}

impl<P: Batch, E> Drop for Seat<P, E> {
    fn drop(&mut self) {
        if self.table.leave(self.index).is_some() {
            // The map holds the call, which holds the map: the last one to leave parts them.
            let _left = self
                .batches
                .take_if(&self.key, &self.table, Table::is_empty);
        }
    }
}
