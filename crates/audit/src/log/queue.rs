use std::{
    io, mem,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use http::StatusCode;
use jiff::Timestamp;
use tollgate_core::Rejection;

use crate::{Record, draft::Draft};

/// What request threads and the writer share.
///
/// A place is reserved when a request comes and released when its record is written. So who is admitted can always be
/// recorded, and the queue, which has no bound of its own, is never longer than `capacity`.
pub(super) struct Queue {
    pub(super) capacity: AtomicUsize,
    pub(super) fail_open: AtomicBool,
    pub(super) taken: AtomicUsize,
    pub(super) lost: AtomicU64,
    pub(super) refused: AtomicU64,
    failing: AtomicBool,
    closed: AtomicBool,
    started: i64,
    made: AtomicU64,
    state: Mutex<State>,
    work: Condvar,
    progress: Condvar,
}

#[derive(Default)]
struct State {
    entries: Vec<Record>,
    pushed: u64,
    done: u64,
    hurry: bool,
    over: bool,
    error: Option<io::Error>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            capacity: AtomicUsize::new(8192),
            fail_open: AtomicBool::new(false),
            taken: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            failing: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            started: Timestamp::now().as_microsecond(),
            made: AtomicU64::new(0),
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
        }
    }

    /// Whether a place is kept; if not, the request may pass without.
    pub(super) fn reserve(&self) -> Result<bool, Rejection> {
        let fail_open = self.fail_open.load(Relaxed);
        let usable = !self.closed.load(Acquire) && (fail_open || !self.failing.load(Acquire));
        if usable {
            if self.taken.fetch_add(1, AcqRel) < self.capacity.load(Relaxed) {
                return Ok(true);
            }
            self.release(1);
        }
        if fail_open {
            self.lose(1);
            return Ok(false);
        }
        if let Some(refused) = count(&self.refused, 1) {
            tracing::warn!(
                refused,
                "requests are refused, since they cannot be recorded"
            );
        }
        Err(unavailable())
    }

    pub(super) fn release(&self, places: usize) {
        self.taken.fetch_sub(places, AcqRel);
    }

    /// Collects here, on the request's thread: a trail that waits for the writer keeps the body alive, and with it the
    /// connection's read buffer, which then has to be made anew for each request.
    pub(super) fn push(&self, draft: Draft) {
        let record = draft.collect(|| self.make_id());
        let mut state = self.lock();
        if self.closed.load(Acquire) {
            drop(state);
            self.release(1);
            self.lose(1);
            return;
        }
        state.entries.push(record);
        state.pushed += 1;
        let wake = matches!(state.entries.len(), 1 | ENOUGH);
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Waits for entries, and takes them all. False when there will be no more.
    pub(super) fn take(&self, entries: &mut Vec<Record>) -> bool {
        let open = || !self.closed.load(Acquire);
        let state = self
            .work
            .wait_while(self.lock(), |state| state.entries.is_empty() && open());
        // Whoever comes in the next moment shares the write, and saves its own wake-up.
        let (mut state, _) = self
            .work
            .wait_timeout_while(whole(state), LINGER, |state| {
                state.entries.len() < ENOUGH && !state.hurry && open()
            })
            .unwrap_or_else(PoisonError::into_inner);
        state.hurry = false;
        mem::swap(entries, &mut state.entries);
        !entries.is_empty()
    }

    /// Says that so many records are written, or lost for good.
    pub(super) fn done(&self, records: usize) {
        self.release(records);
        self.lock().done += records as u64;
        self.progress.notify_all();
    }

    pub(super) fn recovered(&self) {
        if self.failing.swap(false, AcqRel) {
            self.lock().error = None;
            tracing::info!("the audit log can be written again");
        }
    }

    /// Says that the sink has failed, and waits until it is time for another try; false if there will be none.
    pub(super) fn failed(&self, error: &io::Error) -> bool {
        if !self.failing.swap(true, AcqRel) {
            tracing::error!(%error, "the audit log cannot be written");
        }
        let mut state = self.lock();
        state.error = Some(again(error));
        self.progress.notify_all();
        let open = !self.closed.load(Acquire);
        if open {
            let idle = |state: &mut State| !state.hurry && !self.closed.load(Acquire);
            let waited = self.work.wait_timeout_while(state, RETRY, idle);
            waited.unwrap_or_else(PoisonError::into_inner).0.hurry = false;
        }
        open
    }

    pub(super) fn lose(&self, records: u64) {
        if let Some(lost) = count(&self.lost, records) {
            tracing::warn!(lost, "requests have left no audit record");
        }
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        let mut state = self.lock();
        let all = state.pushed;
        state.hurry = true;
        state.error = None; // If the sink still fails, it will be there again.
        self.work.notify_one();
        let waiting = |state: &mut State| state.done < all && state.error.is_none() && !state.over;
        let state = whole(self.progress.wait_while(state, waiting));
        state.result()
    }

    pub(super) fn close(&self) {
        // Under the lock, so that nothing is pushed once the writer has seen it.
        let state = self.lock();
        self.closed.store(true, Release);
        drop(state);
        self.work.notify_all();
    }

    pub(super) fn wait_for_end(&self) -> io::Result<()> {
        let state = whole(self.progress.wait_while(self.lock(), |state| !state.over));
        state.result()
    }

    /// The writer is gone, whyever.
    pub(super) fn over(&self) {
        self.close();
        self.lock().over = true;
        self.progress.notify_all();
    }

    /// Unique among all logs that were not begun in the same microsecond, in the order of writing.
    fn make_id(&self) -> String {
        let number = self.made.fetch_add(1, Relaxed);
        format!("{:016x}{number:016x}", self.started)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        whole(self.state.lock())
    }
}

impl State {
    fn result(&self) -> io::Result<()> {
        match &self.error {
            None => Ok(()),
            Some(error) => Err(again(error)),
        }
    }
}

/// The same error once more, for another who asks.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// The state is whole between any two statements: a panic elsewhere does not spoil it.
fn whole<T>(result: Result<T, PoisonError<T>>) -> T {
    result.unwrap_or_else(PoisonError::into_inner)
}

/// Counts, and gives the number whenever it has doubled: often enough to be noticed, too seldom to be a flood.
fn count(counter: &AtomicU64, more: u64) -> Option<u64> {
    let before = counter.fetch_add(more, Relaxed);
    let now = before + more;
    (before.checked_ilog2() != now.checked_ilog2()).then_some(now)
}

fn unavailable() -> Rejection {
    Rejection::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "audit_unavailable",
        "the request cannot be recorded now, and so it was not let in",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// How long the writer waits for company after the first record; nothing ticks when there is none.
const LINGER: Duration = Duration::from_millis(2);
const ENOUGH: usize = 256;
const RETRY: Duration = Duration::from_millis(500);
