use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{
    task::yield_now,
    time::{self, sleep_until},
};

use super::{
    Desk, Options,
    account::{Ask, Send, Ticket},
    table::{Entry, State},
};
use crate::bank::{Answer, Asker, BankError, Reply};

/// Talks with the bank about one account, until there is nothing more to say. Accounts that nobody talks about are looked
/// at once a second.
pub(super) struct Teller {
    desk: Arc<Desk>,
    options: Arc<Options>,
    entry: Arc<Entry>,
    under_way: Option<Ticket>,
    is_done: bool,
}

impl Teller {
    /// Begins to talk, if there is something to say and nobody does. The caller has the account's lock.
    pub(super) fn hire(state: &mut State, now: u64) -> bool {
        let is_asking = state.awake().is_some_and(|account| account.is_asking(now));
        let begins = !state.is_talking && is_asking;
        state.is_talking |= begins;
        begins
    }

    pub(super) const fn new(desk: Arc<Desk>, options: Arc<Options>, entry: Arc<Entry>) -> Self {
        Self {
            desk,
            options,
            entry,
            under_way: None,
            is_done: false,
        }
    }

    /// Talks in a task of its own, if there is a runtime. Without one, nothing is asked.
    pub(super) fn spawn(self) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.talk());
        }
    }

    pub(super) async fn talk(mut self) {
        loop {
            let next = {
                let mut state = self.entry.lock();
                let now = self.desk.now();
                let account = state.awake();
                let send =
                    account.and_then(|account| account.next_message(now, || Asker::random().0));
                // Before it is sent: nobody uses its number again, or has what it gives back.
                let (send, unsaid) = match send.is_none() || self.desk.note(&mut state) {
                    true => (send, None),
                    false => (None, send),
                };
                let again_at = state.awake().and_then(|account| {
                    if let Some(send) = unsaid {
                        account.lost(send.ticket, now);
                    }
                    account.due(now).filter(|_| account.is_lost())
                });
                self.under_way = send.as_ref().map(|send| send.ticket);
                // Said under the same lock: whoever comes next finds nobody, and begins anew.
                self.is_done = send.is_none() && again_at.is_none();
                state.is_talking = !self.is_done;
                (send, again_at)
            };
            match next {
                (Some(send), _) => self.exchange(send).await,
                (None, Some(again_at)) => sleep_until(self.desk.instant(again_at)).await,
                (None, None) => {
                    self.entry.lock().tell();
                    return;
                }
            }
        }
    }

    async fn exchange(&mut self, send: Send) {
        let Send { ticket, ask } = send;
        match ask {
            Ask::Authority(message) => {
                let asking = self.desk.bank.authority.ask(message);
                let answer = time::timeout(AUTHORITY, asking).await;
                self.hear(
                    ticket,
                    answer.map_err(BankError::new).flatten().map(Heard::Answer),
                );
            }
            Ask::Reserve(message) => match &self.desk.bank.reserve {
                Some(reserve) => {
                    let reply = time::timeout(RESERVE, reserve.ask(message)).await;
                    self.hear(
                        ticket,
                        reply.map_err(BankError::new).flatten().map(Heard::Reply),
                    );
                }
                None => self.hear(ticket, Err(BankError::new("there is no reserve"))),
            },
        }
    }

    fn hear(&mut self, ticket: Ticket, heard: Result<Heard, BankError>) {
        self.under_way = None;
        let mut state = self.entry.lock();
        let warning = state.awake().and_then(|account| {
            let now = self.desk.now();
            match heard {
                Ok(Heard::Answer(answer)) => account.answered(ticket, answer, now),
                Ok(Heard::Reply(reply)) => account.replied(ticket, reply, now),
                Err(error) => {
                    tracing::debug!(account = &**account.text(), %error, "the bank is asked again");
                    account.lost(ticket, now);
                }
            }
            let used = account.warning(self.options.warn_at)?;
            Some((Arc::clone(account.text()), used, account.budget().limit()))
        });
        state.tell();
        drop(state);
        if let Some((text, used, limit)) = warning {
            self.options.warn(&text, used, limit);
        }
    }
}

/// A task can be ended at any await. Then the next one goes on from there.
impl Drop for Teller {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut state = self.entry.lock();
        if let (Some(ticket), Some(account)) = (self.under_way, state.awake()) {
            account.lost(ticket, self.desk.now());
        }
        state.is_talking = false;
    }
}

enum Heard {
    Answer(Answer),
    Reply(Reply),
}

/// Looks once a second for accounts that have something to report or to give back, for as long as there is a ledger.
pub(super) fn sweep(desk: &Arc<Desk>, options: &Arc<Options>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        return;
    };
    if desk.is_swept.load(Ordering::Relaxed) || desk.is_swept.swap(true, Ordering::AcqRel) {
        return;
    }
    let sweeper = Sweeper {
        desk: Arc::downgrade(desk),
        options: Arc::clone(options),
    };
    runtime.spawn(sweeper.run());
}

struct Sweeper {
    desk: Weak<Desk>,
    options: Arc<Options>,
}

impl Sweeper {
    async fn run(self) {
        loop {
            time::sleep(PAUSE).await;
            let Some(desk) = self.desk.upgrade() else {
                return;
            };
            // A few at a time: who waits for the bank now does not wait for a crowd that gives back.
            let part = desk.table.awake() / PAUSES + 1;
            for _ in 0..part.div_ceil(FEW) {
                look(&desk, &self.options, FEW, false);
                yield_now().await;
            }
        }
    }
}

/// Looks at accounts in use: who has something to say says it, and who is not used any more rests. In a crowd, that is who
/// has nothing open.
fn look(desk: &Arc<Desk>, options: &Arc<Options>, most: usize, is_crowd: bool) {
    let now = desk.now();
    let mut entries = desk.table.take_first(most);
    entries.retain(|entry| {
        let mut state = entry.lock();
        let is_talking = state.is_talking;
        let Some(account) = state.awake().filter(|_| !is_talking) else {
            return is_talking;
        };
        if is_crowd {
            account.retire();
        }
        if account.due(now).is_some_and(|due| due <= now) {
            state.is_talking = true;
            drop(state);
            Teller::new(Arc::clone(desk), Arc::clone(options), Arc::clone(entry)).spawn();
            return true;
        }
        let rests = state.rest(now);
        if rests {
            desk.note(&mut state);
        }
        !rests
    });
    desk.table.put_last(entries);
}

/// Lets the first accounts rest, if so many are in use that they are a crowd.
pub(super) fn ease(desk: &Arc<Desk>, options: &Arc<Options>, awake: usize) {
    if awake > options.crowd {
        look(desk, options, LOOKS, true);
    }
}

/// The runtime may end before the ledger: then the next one sweeps.
impl Drop for Sweeper {
    fn drop(&mut self) {
        if let Some(desk) = self.desk.upgrade() {
            desk.is_swept.store(false, Ordering::Release);
        }
    }
}

/// In a crowd, so many are looked at for each that wakes: twice, for it gives back before it rests, and some are busy.
const LOOKS: usize = 4;

/// So many are looked at before others have their turn.
const FEW: usize = 64;

/// After so many pauses all accounts are seen.
const PAUSES: usize = 4;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// So long an authority may think.
const AUTHORITY: Duration = Duration::from_secs(10);

/// So long a reserve may think.
const RESERVE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
