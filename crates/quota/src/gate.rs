use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::request::Parts;
use tollgate_core::{
    Admission, Gate, Rejection, Trail,
    fact::{Mode, Terms},
};

use crate::{
    Away, Measures, Permit, Rule,
    accounts::Accounts,
    gather::Gather,
    rule::Source,
    shared::SharedRates,
    want::{Kind, Want},
};

/// The gate of a [`QuotaLayer`](crate::QuotaLayer): its rules, and the accounts.
#[derive(Clone, Debug)]
pub struct QuotaGate {
    pub(crate) config: Config,
    pub(crate) accounts: Arc<Accounts>,
}

#[derive(Clone, Debug)]
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
}

impl Gate for QuotaGate {
    type Observer = Permit;
    type Later = Deciding;

    fn admit(&self, mut parts: Parts) -> Admission<Permit, Deciding> {
        let permit = match self.take(&mut parts) {
            Ok(permit) => permit,
            Err(rejection) => return Admission::Now(Err(rejection)),
        };
        match &permit.shared {
            None => Admission::Now(Ok((parts, permit))),
            Some(shared) => {
                let (shared, max_keys) = (Arc::clone(shared), self.config.max_keys);
                Admission::Later(Deciding(Box::pin(async move {
                    let mut permit = permit;
                    shared.take(&mut permit, max_keys).await?;
                    Ok((parts, permit))
                })))
            }
        }
    }
}

impl QuotaGate {
    /// Takes what can be had at once.
    fn take(&self, parts: &mut Parts) -> Result<Permit, Rejection> {
        let mut gather = Gather::new(&self.config, &self.accounts, parts);
        gather.run()?;
        let (wants, _dues) = (gather.wants, gather.dues);
        let is_told =
            |want: &Want| want.mode == Mode::Observe || matches!(want.kind, Kind::Tokens(_));
        let trail = wants.iter().any(is_told).then(|| Trail::of(parts));
        let shared = wants.iter().any(|want| want.shared.is_some());
        let mut permit = Permit::new(Arc::clone(&self.accounts), wants);
        permit.trail = trail;
        if shared {
            permit.shared.clone_from(&self.config.shared);
        }
        permit.take(self.config.max_keys)?;
        Ok(permit)
    }
}

/// A decision that waits for a store.
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
