use std::{collections::HashMap, fmt, sync::Arc};

use http::{StatusCode, request::Parts};
use memchr::memmem;
use tokio::sync::watch;
use tollgate_core::{
    Payload, Rejection,
    fact::{Call, Cost, Operation, Target},
};

use crate::{
    Dialect, ModelInfo, PriceError, Prices, TokenKind,
    dialect::Api,
    peek::{Marks, Peek},
};

/// What a call can cost at most at its target: the size of a hold.
///
/// The input is bounded by the request itself, where all of it is text, and else by the model's context window; the
/// output by what the provider is told, and else by what the model can give; and the price is the dearest that may
/// apply. What has no bound is refused, and never guessed.
///
/// It reads the [`Call`], the [`Target`] and the [`Payload`] among a request's extensions, and belongs inside whatever
/// chooses the target: another one may be able to serve what this one refuses.
///
/// ```
/// use http::request::Parts;
/// use tokio::sync::watch;
/// use tollgate_llm::{Dialect, Prices, WorstCase};
///
/// let (_reload, prices) = watch::channel(Prices::built_in());
/// let worst = WorstCase::new(prices, [("openai".into(), Dialect::OpenAi)]);
/// let size = move |parts: &Parts, output| worst.of(parts, output); // what a quota asks
/// # let _ = size;
/// ```
#[derive(Clone)]
pub struct WorstCase {
    prices: watch::Receiver<Prices>,
    dialects: Arc<HashMap<Arc<str>, Dialect>>,
}

impl WorstCase {
    /// Goes by these prices, at endpoints of these names and dialects: a model is looked up by the endpoint's name, then
    /// by its dialect's.
    #[must_use]
    pub fn new(
        prices: watch::Receiver<Prices>,
        dialects: impl IntoIterator<Item = (Arc<str>, Dialect)>,
    ) -> Self {
        Self {
            prices,
            dialects: Arc::new(dialects.into_iter().collect()),
        }
    }

    /// The most that a call can cost, by the prices of now, and how many tokens each of its answers may have: as many as
    /// the caller or the model sets, and no more than `output`. They are no bound unless they are sent, as an
    /// [`Upstream`](crate::Upstream) does with an [`Allowance`](tollgate_core::fact::Allowance).
    ///
    /// # Errors
    ///
    /// - 400 `cost_unbounded`, if something is billed by other things than tokens, or the input has no bound;
    /// - 400 `max_tokens_required`, if nobody says how much output there can be;
    /// - 400 `price_unknown`, about the target: that of the model, or of its cache if the request writes to it;
    /// - 500 `call_missing`, if the request was not inspected, or has no target.
    pub fn of(&self, parts: &Parts, output: Option<u64>) -> Result<(Cost, u64), Rejection> {
        let (cost, size) = self.size(parts, output)?;
        Ok((cost, size.output))
    }

    /// The same, and what it was found by: who holds money for the call can see by other prices how much dearer it has become,
    /// while it is open.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn size(&self, parts: &Parts, output: Option<u64>) -> Result<(Cost, CallSize), Rejection> {
        let prices = self.prices.borrow();
        let extensions = &parts.extensions;
        let target = extensions.get::<Target>().ok_or_else(no_call)?;
        let again;
        let call = match (Api::of(parts), extensions.get::<Payload>()) {
            // A layer in between has changed the body since it was inspected.
            (Some(api), Some(payload))
                if !matches!(api, Api::Models(_))
                    && !extensions
                        .get::<Peek>()
                        .is_some_and(|peek| peek.is_of(payload.bytes())) =>
            {
                again = Peek::at(api, &parts.uri, payload.bytes())?.0;
                &again
            }
            _ => extensions.get::<Call>().ok_or_else(no_call)?,
        };
        let gives_text = match call.operation {
            Operation::Models | Operation::CountTokens => {
                return Ok((Cost::default(), CallSize::default()));
            }
            Operation::Embeddings => false,
            Operation::Chat | Operation::TextCompletion => true,
        };
        let mut size = CallSize {
            provider: Arc::clone(&target.provider),
            dialect: self.dialects.get(&target.provider).copied(),
            model: Arc::clone(match &*target.model {
                "" => &call.model,
                _ => &target.model,
            }),
            ..CallSize::default()
        };
        let info = size.info(&prices);
        let unknown = ModelInfo::default();
        let info = info.unwrap_or(&unknown);

        if let Some(name) = call.surcharge {
            return Err(surcharged(name));
        }
        let each = match (call.max_output_tokens.or(info.max_output), output) {
            _ if !gives_text => 0,
            (Some(most), allowed) => most.min(allowed.unwrap_or(most)),
            (None, Some(allowed)) => allowed,
            (None, None) => return Err(no_maximum()),
        };
        let price = info.price.as_ref().ok_or_else(no_price)?;
        let body = extensions.get::<Payload>().map_or(&[][..], |it| it.bytes());
        let unknown = [TokenKind::CacheWrite, TokenKind::CacheWrite1h].map(|it| !price.knows(it));
        if unknown.contains(&true) {
            let asked = Marks::of(body);
            if asked.cache && unknown[0] || asked.cache && asked.lasting && unknown[1] {
                return Err(no_cache_price());
            }
        }
        // A window holds one input, and a request for vectors can have many.
        let window = info.context_window.filter(|_| gives_text);
        let window = window.map(|window| match asks_for_long_window(parts, body) {
            true => window.max(LONG_WINDOW),
            false => window,
        });
        let input = call.max_input_tokens.or(window);
        let input = input.ok_or_else(|| unbounded(NO_INPUT))?;
        let all = each.checked_mul(call.choices.into());
        let all = all.ok_or_else(|| unbounded(TOO_MUCH))?;
        let cost = match price.worst(input, all) {
            Ok(cost) => cost,
            Err(PriceError::Unknown { .. }) => return Err(no_price()),
            Err(PriceError::Overflow) => return Err(unbounded(TOO_MUCH)),
        };
        (size.input, size.output, size.all_output) = (input, each, all);
        Ok((cost, size))
    }
}

/// What bounds the cost of a call at its target, without its price.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CallSize {
    provider: Arc<str>,
    dialect: Option<Dialect>,
    model: Arc<str>,
    input: u64,
    /// Of each answer.
    output: u64,
    /// Of all answers together.
    all_output: u64,
}

impl CallSize {
    /// The most tokens of output that each answer may have.
    #[must_use]
    pub const fn output(&self) -> u64 {
        self.output
    }

    /// The most that the call can cost by these prices, if they know it.
    #[must_use]
    pub fn cost(&self, prices: &Prices) -> Option<Cost> {
        let price = self.info(prices)?.price.as_ref()?;
        price.worst(self.input, self.all_output).ok()
    }

    fn info<'a>(&self, prices: &'a Prices) -> Option<&'a ModelInfo> {
        match self.dialect {
            Some(dialect) => prices.at(&self.provider, dialect, &self.model),
            None => prices.get(&self.provider, &self.model),
        }
    }
}

impl fmt::Debug for WorstCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorstCase")
            .field("endpoints", &self.dialects.keys())
            .finish_non_exhaustive()
    }
}

/// Whether a beta of Anthropic's is named that gives a model a longer window than tables say: in a header, or with Bedrock
/// in the body.
fn asks_for_long_window(parts: &Parts, body: &[u8]) -> bool {
    let named = |value: &[u8]| memmem::find(value, b"context-1m").is_some();
    let betas = parts.headers.get_all("anthropic-beta");
    betas.into_iter().any(|value| named(value.as_bytes())) || Marks::of(body).betas
}

fn surcharged(name: &'static str) -> Rejection {
    let message = format!("what this costs is not bounded by its tokens, because of `{name}`");
    unbounded(message).with_detail("param", name)
}

fn unbounded(message: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::new(StatusCode::BAD_REQUEST, "cost_unbounded", message)
}

fn no_maximum() -> Rejection {
    let message = "how much output this model can give is not known: say the most that you want";
    Rejection::new(StatusCode::BAD_REQUEST, "max_tokens_required", message)
        .with_detail("param", "max_tokens")
}

/// Not a failure, which SDKs would try again.
fn no_price() -> Rejection {
    let message = "what this model costs is not known, so that no budget can bound it";
    Rejection::new(StatusCode::BAD_REQUEST, "price_unknown", message).about_target()
}

/// What is written to a provider's cache costs more than other input.
fn no_cache_price() -> Rejection {
    let message =
        "what it costs to write to this model's cache is not known, so that no budget can bound it";
    Rejection::new(StatusCode::BAD_REQUEST, "price_unknown", message)
        .with_detail("param", "cache_control")
        .about_target()
}

fn no_call() -> Rejection {
    let message = "the service prices requests before it inspects them and chooses their targets";
    Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "call_missing", message)
}

const LONG_WINDOW: u64 = 1_000_000;
const NO_INPUT: &str = "how much input this has is not known, nor how much its model takes";
const TOO_MUCH: &str = "what this may cost is more than can be held";
