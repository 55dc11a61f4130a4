use super::words::Words;

/// What a body says that makes its input dearer or longer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    /// A part of the input is to be kept,
    pub(crate) cache: bool,
    /// for a time of the caller's choice.
    pub(crate) lasting: bool,
    /// Betas of Anthropic's are named.
    pub(crate) betas: bool,
}

impl Marks {
    /// Looks for them anywhere. What only looks like one costs nothing but a refusal.
    pub(crate) fn of(body: &[u8]) -> Self {
        let mut marks = Self::default();
        for field in Words::of(body).fields(|_| false) {
            marks.cache |= &*field.name == b"cache_control";
            marks.lasting |= &*field.name == b"ttl";
            marks.betas |= &*field.name == b"anthropic_beta";
        }
        marks
    }
}
