use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use tokio::time::{self, sleep_until};

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
                    self.entry.changed.notify_waiters();
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
        let warning = self.entry.lock().awake().and_then(|account| {
            let now = self.desk.now();
            match heard {
                Ok(Heard::Answer(answer)) => account.answered(ticket, answer, now),
                Ok(Heard::Reply(reply)) => account.replied(ticket, reply, now),
                Err(error) => {
                    tracing::debug!(account = &*self.entry.text, %error, "the bank is asked again");
                    account.lost(ticket, now);
                }
            }
            let used = account.warning(self.options.warn_at)?;
            Some((used, account.budget().limit()))
        });
        self.entry.changed.notify_waiters();
        if let Some((used, limit)) = warning {
            self.options.warn(&self.entry.text, used, limit);
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
        let mut shard = 0;
        loop {
            time::sleep(PAUSE).await;
            let Some(desk) = self.desk.upgrade() else {
                return;
            };
            // A few shards at a time: a million accounts are not gone through at once.
            for _ in 0..desk.table.shards() / PAUSES {
                shard = (shard + 1) % desk.table.shards();
                self.look(&desk, shard);
            }
        }
    }

    fn look(&self, desk: &Arc<Desk>, shard: usize) {
        let now = desk.now();
        let due = desk.table.select(shard, |state| {
            if state.is_talking {
                return false;
            }
            let due = state.awake().and_then(|account| account.due(now));
            let is_due = due.is_some_and(|due| due <= now);
            state.is_talking = is_due;
            if state.rest(now) {
                desk.note(state);
            }
            is_due
        });
        for entry in due {
            Teller::new(Arc::clone(desk), Arc::clone(&self.options), entry).spawn();
        }
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

/// After so many pauses all accounts are seen.
const PAUSES: usize = 4;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// So long an authority may think.
const AUTHORITY: Duration = Duration::from_secs(10);

/// So long a reserve may think.
const RESERVE: Duration = Duration::from_secs(1);
