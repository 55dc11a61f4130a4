use std::sync::atomic::Ordering::Relaxed;

use tollgate_llm::simulated::Bill;

use crate::callers::Heard;

/// What became of the money, in nano-dollars.
pub(crate) struct Report {
    /// What there was in all windows.
    limit: u64,
    /// What the authority has given out of it.
    granted: u64,
    pub(crate) billed: u64,
    /// Held for calls that callers left, beyond what the provider billed for them: it is spent by design.
    left: u64,
}

impl Report {
    pub(crate) fn new(bill: &Bill, heard: &Heard, limit: u64, granted: u64) -> Self {
        let cut = bill.requests.iter().filter(|entry| !entry.complete);
        let cut: u128 = cut.map(|entry| entry.nano_dollars).sum();
        let nanos = |sum| u64::try_from(sum).expect("it is little money");
        Self {
            limit,
            granted,
            billed: nanos(bill.total.nano_dollars),
            left: heard.worst_of_left.load(Relaxed).saturating_sub(nanos(cut)),
        }
    }

    pub(crate) fn print(&self, name: &str, heard: &Heard) {
        let percent = |part: u64| part as f64 / self.limit as f64 * 100.0;
        let lost = self.granted.saturating_sub(self.billed + self.left);
        println!("{name}: {heard:?}");
        println!(
            "{name}: of {} nano-dollars {:.1} % were billed, {:.1} % held for calls that were left, {:.1} % stranded with \
             killed gateways and stores and what they held, {:.1} % never granted; {} of {} refusals came before the last \
             call that was served",
            self.limit,
            percent(self.billed),
            percent(self.left),
            percent(lost),
            percent(self.limit.saturating_sub(self.granted)),
            heard.refused_too_soon.load(Relaxed),
            heard.refused(),
        );
    }
}
