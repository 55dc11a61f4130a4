use std::{fmt, future::ready, sync::Arc, time::SystemTime};

use dashmap::DashMap;

use super::{Answer, Answering, Authority, BankError, Message, Order, books::Book};

/// An authority whose memory ends with the process. Clones share it. It keeps a book of every account that ever asked.
///
/// ```
/// use tollgate_quota::{Bank, bank::MemoryAuthority};
///
/// let bank = Bank::new(MemoryAuthority::new());
/// # let _ = bank;
/// ```
#[derive(Clone)]
pub struct MemoryAuthority {
    books: Arc<DashMap<Arc<str>, Book>>,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl MemoryAuthority {
    /// One with empty books, by the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since.map_or(0, |since| {
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            })
        })
    }

    /// One with empty books, by this clock: in milliseconds since 1970.
    #[must_use]
    pub fn with_clock(clock: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self {
            books: Arc::default(),
            clock: Arc::new(clock),
        }
    }

    /// What is granted and charged in the running window of an account.
    #[doc(hidden)]
    #[must_use]
    pub fn granted(&self, account: &str) -> Option<i64> {
        self.books
            .get(account)
            .and_then(|book| book.windows.last().map(|row| row.granted))
    }
}

impl Default for MemoryAuthority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority for MemoryAuthority {
    fn ask(&self, message: Message<Order>) -> Answering<Answer> {
        let clock = (self.clock)();
        let mut book = self.books.entry(Arc::clone(&message.account)).or_default();
        Box::pin(ready(book.decide(&message, clock).map_err(BankError::new)))
    }
}

impl fmt::Debug for MemoryAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAuthority")
            .field("accounts", &self.books.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::authority_contract, *};

    #[tokio::test]
    async fn the_memory_authority_keeps_its_promises() {
        authority_contract(async |clock| MemoryAuthority::with_clock(move || clock.now())).await;
    }
}
