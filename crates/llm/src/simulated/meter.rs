mod bill;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use self::bill::{Bill, Billed, Entry, Prices, Tokens, Total};
use super::asked::Caching;

/// The provider's own meter. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    next: u64,
    total: Total,
    billed: Billed,
    models: BTreeMap<String, Total>,
    entries: VecDeque<Entry>,
    prices: BTreeMap<String, Prices>,
    kept: HashSet<u64>,
}

impl Meter {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bill(&self) -> Bill {
        let book = self.book();
        Bill {
            total: book.total.clone(),
            models: book.models.clone(),
            requests: book.entries.iter().cloned().collect(),
        }
    }

    pub(crate) fn billed(&self) -> Billed {
        self.book().billed
    }

    pub(crate) fn set_prices(&self, model: &str, prices: Prices) {
        let mut book = self.book();
        if book.prices.len() < MOST_MODELS {
            book.prices.insert(model.into(), prices);
        }
    }

    /// Forgets what was counted and kept, but neither prices nor numbers: an answer that still runs must find no other's entry.
    pub(crate) fn reset(&self) {
        let mut book = self.book();
        *book = Book {
            next: book.next,
            prices: std::mem::take(&mut book.prices),
            ..Book::default()
        };
    }

    /// The number of the next request.
    pub(crate) fn number(&self) -> u64 {
        let mut book = self.book();
        book.next += 1;
        book.next
    }

    /// Begins the account of a request.
    pub(crate) fn open(&self, entry: Entry) -> Ticket {
        let mut book = self.book();
        let number = entry.number;
        book.billed.requests += 1;
        book.total.requests += 1;
        book.of(&entry.model).requests += 1;
        let model = entry.model.clone();
        if book.entries.len() == MOST_ENTRIES {
            book.entries.pop_front();
        }
        // Requests take their numbers and open their accounts at different times.
        let at = book.entries.partition_point(|it| it.number < number);
        book.entries.insert(at, entry);
        drop(book);
        Ticket {
            meter: self.clone(),
            number,
            model,
            stream: false,
            spent: Tokens::default(),
            whole: false,
        }
    }

    /// What of a prompt is read from what is kept, and what is now written there.
    pub(crate) fn keep(&self, caching: Option<Caching>) -> Tokens {
        let Some(Caching {
            hash,
            tokens,
            pays,
            hour,
        }) = caching
        else {
            return Tokens::default();
        };
        let mut book = self.book();
        if book.kept.len() >= MOST_KEPT {
            book.kept.clear();
        }
        let mut kept = Tokens::default();
        match book.kept.insert(hash) {
            false => kept.cached = tokens,
            true if pays && hour => kept.cache_write_1h = tokens,
            true if pays => kept.cache_write = tokens,
            true => {}
        }
        kept
    }
}

impl Book {
    fn of(&mut self, model: &str) -> &mut Total {
        // Names come from requests: there may be any number of them.
        let full = self.models.len() >= MOST_MODELS && !self.models.contains_key(model);
        self.models
            .entry(if full { "others" } else { model }.into())
            .or_default()
    }
}

/// The running account of one request, which ends when this is dropped.
pub(crate) struct Ticket {
    meter: Meter,
    number: u64,
    model: String,
    stream: bool,
    spent: Tokens,
    whole: bool,
}

impl Ticket {
    pub(crate) fn spend(&mut self, tokens: Tokens) {
        let mut book = self.meter.book();
        let prices = book.prices.get(&self.model).copied().unwrap_or_default();
        // The whole request is rounded, not each token.
        let before = prices.cost(&self.spent);
        self.spent = self.spent + tokens;
        let after = prices.cost(&self.spent);
        book.billed.input += tokens.prompt() + tokens.embedding;
        book.billed.output += tokens.output;
        for total in [true, false] {
            let total = if total {
                &mut book.total
            } else {
                book.of(&self.model)
            };
            total.tokens = total.tokens + tokens;
            total.nano_dollars = total.nano_dollars + after - before;
        }
        if let Some(entry) = entry(&mut book, self.number) {
            entry.tokens = self.spent;
            entry.nano_dollars = after;
        }
    }

    /// Notes how the request was answered.
    pub(crate) fn status(&mut self, status: u16) {
        if let Some(entry) = entry(&mut self.meter.book(), self.number) {
            entry.status = status;
        }
    }

    /// The answer is a stream, and begins.
    pub(crate) fn streams(&mut self) {
        self.stream = true;
        self.meter.book().billed.streams += 1;
    }

    /// Everything was given.
    pub(crate) fn whole(&mut self) {
        self.whole = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut book = self.meter.book();
        if self.stream {
            let billed = &mut book.billed;
            *if self.whole {
                &mut billed.finished
            } else {
                &mut billed.cancelled
            } += 1;
        }
        if let Some(entry) = entry(&mut book, self.number) {
            entry.open = false;
            entry.complete = self.whole;
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// What a provider has counted, as its meter shows it at any time. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Stats(pub(crate) Meter);

impl Stats {
    /// What has been counted so far.
    #[must_use]
    pub fn read(&self) -> Billed {
        self.0.billed()
    }
}

fn entry(book: &mut Book, number: u64) -> Option<&mut Entry> {
    let at = book
        .entries
        .binary_search_by_key(&number, |entry| entry.number)
        .ok()?;
    book.entries.get_mut(at)
}

const MOST_ENTRIES: usize = 10_000;
const MOST_MODELS: usize = 1000;
const MOST_KEPT: usize = 10_000;
