use std::sync::Arc;

use smallvec::SmallVec;

use super::{
    Ledger,
    account::Account,
    hold::{Share, Shares},
    pool::Part,
    table::Entry,
    teller::Teller,
};

impl Ledger {
    /// Settles all parts to what was spent in each account. Answers the largest debt.
    pub(super) fn settle(&self, shares: Shares, spent: i64) -> i64 {
        let now = self.desk.now();
        let mut shares = shares.into_iter().peekable();
        let (mut rest, mut most) = (spent, 0);
        while let Some(Share {
            entry,
            part,
            number,
        }) = shares.next()
        {
            let is_last = shares.peek().is_none_or(|next| next.number != number);
            // The parts of an account are used up one after the other; the last takes what is too much.
            let takes = if is_last {
                rest
            } else {
                rest.min(part.amount())
            };
            rest = if is_last { spent } else { rest - takes };
            // It takes more than was held and noted. That it is spent cannot be undone, whether this is noted or not.
            let is_over = takes > part.amount();
            let debt = self.change(&entry, is_over, now, |account| {
                account.settle(part, takes, now)
            });
            most = most.max(debt);
        }
        most
    }

    /// Holds so much more in each account, as a debt where it is not there. Answers the largest one.
    pub(super) fn raise(&self, shares: &mut Shares, more: i64) -> i64 {
        let now = self.desk.now();
        let (mut index, mut most) = (0, 0);
        while let Some(share) = shares.get(index) {
            let Share { part, number, .. } = *share;
            let entry = Arc::clone(&share.entry);
            let mut parts = SmallVec::<[Part; 2]>::new();
            let debt = self.change(&entry, true, now, |account| {
                account.raise(part, more, now, |part| parts.push(part))
            });
            most = most.max(debt);
            let of_account = shares[index..].iter().take_while(|it| it.number == number);
            index += of_account.count();
            for part in parts {
                let entry = Arc::clone(&entry);
                shares.insert(
                    index,
                    Share {
                        entry,
                        part,
                        number,
                    },
                );
                index += 1;
            }
        }
        most
    }

    /// Changes an account that something is open in, and does what follows from it. Answers its debt.
    fn change(
        &self,
        entry: &Arc<Entry>,
        is_noted: bool,
        now: u64,
        change: impl FnOnce(&mut Account) -> i64,
    ) -> i64 {
        let (debt, warning, begins) = {
            let mut state = entry.lock();
            let account = state
                .awake()
                .expect("it does not rest while something is open");
            let debt = change(account);
            let used = account.warning(self.options.warn_at);
            let warning =
                used.map(|used| (Arc::clone(account.text()), used, account.budget().limit()));
            if is_noted {
                self.desk.note(&mut state);
            }
            (debt, warning, Teller::hire(&mut state, now))
        };
        if begins {
            self.teller(entry).spawn();
        }
        if let Some((text, used, limit)) = warning {
            self.options.warn(&text, used, limit);
        }
        debt
    }
}
