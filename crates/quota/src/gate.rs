use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{StatusCode, request::Parts};
use tollgate_core::{
    Admission, Gate, Rejection, Trail,
    fact::{Mode, Terms},
};

use crate::{
    Away, Bound, Ledger, Measures, Permit, Rule,
    accounts::Accounts,
    booking::Booking,
    gather::Gather,
    permit::Held,
    rule::Source,
    shared::SharedRates,
    want::{Kind, Want},
};

/// The gate of a [`QuotaLayer`](crate::QuotaLayer): its rules, and the accounts.
#[derive(Clone, Debug)]
pub struct QuotaGate {
    pub(crate) config: Arc<Config>,
    pub(crate) accounts: Arc<Accounts>,
}

#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) rules: Vec<Rule>,
    /// Of rules that have none of their own.
    pub(crate) source: Source,
    pub(crate) anonymous: bool,
    pub(crate) only: Measures,
    pub(crate) defaults: Terms,
    pub(crate) expected_output: u64,
    pub(crate) max_keys: usize,
    pub(crate) shared: Option<Arc<SharedRates>>,
    pub(crate) away: Away,
    pub(crate) ledger: Option<Ledger>,
    pub(crate) worst: Option<Arc<Worst>>,
    /// The least output that is of use.
    pub(crate) clamp: Option<u64>,
    /// How it is answered when a budget is spent.
    pub(crate) spent: StatusCode,
}

/// What a request may cost at most, given the most output for each answer; and how much output that is.
pub(crate) type Worst = dyn Fn(&Parts, Option<u64>) -> Result<Bound, Rejection> + Send + Sync;

impl Gate for QuotaGate {
    type Observer = Permit;
    type Later = Deciding;

    fn admit(&self, mut parts: Parts) -> Admission<Permit, Deciding> {
        match self.take(&mut parts) {
            Err(rejection) => Admission::Now(Err(rejection)),
            Ok(None) => Admission::Now(Ok((parts, Permit::NONE))),
            Ok(Some((held, true))) => Admission::Now(Ok((parts, Permit::of(held)))),
            Ok(Some((held, false))) => {
                let later = take_later(Arc::clone(&self.config), parts, held);
                Admission::Later(Deciding(Box::pin(later)))
            }
        }
    }
}

impl QuotaGate {
    /// Takes what can be had at once, and says whether that is all; nothing if no limit applies.
    fn take(&self, parts: &mut Parts) -> Result<Option<(Box<Held>, bool)>, Rejection> {
        let config = &*self.config;
        let mut gather = Gather::new(config, &self.accounts, parts);
        gather.run()?;
        let (wants, dues) = (gather.wants, gather.dues);
        if wants.is_empty() && dues.is_empty() {
            return Ok(None);
        }
        let is_told =
            |want: &Want| want.mode == Mode::Observe || matches!(want.kind, Kind::Tokens(_));
        let has_trail = !dues.is_empty() || wants.iter().any(is_told);
        let is_shared = wants.iter().any(|want| want.shared.is_some());

        let mut held = Box::new(Held::new(Arc::clone(&self.accounts), wants));
        held.trail = has_trail.then(|| Trail::of(parts));
        if is_shared {
            held.shared.clone_from(&config.shared);
        }
        held.take(config.max_keys)?;
        let mut is_all = !is_shared;
        if !dues.is_empty() {
            let mut booking = Box::new(Booking::new(config, &self.accounts, parts, dues)?);
            is_all &= booking.now(config, parts)?;
            held.booking = Some(booking);
        }
        if is_all {
            held.allow(parts);
        }
        Ok(Some((held, is_all)))
    }
}

/// Takes what others have to be asked for: money before shared rates, since it is given back without asking.
async fn take_later(
    config: Arc<Config>,
    mut parts: Parts,
    mut held: Box<Held>,
) -> Result<(Parts, Permit), Rejection> {
    if let Some(booking) = &mut held.booking {
        booking.soon(&config, &parts).await?;
    }
    if let Some(shared) = held.shared.clone() {
        shared.take(&mut held, config.max_keys).await?;
    }
    held.allow(&mut parts);
    Ok((parts, Permit::of(held)))
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("rules", &self.rules)
            .field("source", &self.source)
            .field("only", &self.only)
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}

/// A decision that waits for a bank or a store.
pub struct Deciding(Pin<Box<dyn Future<Output = Result<(Parts, Permit), Rejection>> + Send>>);

impl Future for Deciding {
    type Output = Result<(Parts, Permit), Rejection>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Deciding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deciding").finish_non_exhaustive()
    }
}
