/// How many tokens a text has, as near as can be said without the provider, and rather too many than too few.
///
/// Without the feature `exact-tokens` it goes by length: a token is rarely shorter than three bytes. With it, text is
/// counted by OpenAI's newest public vocabulary, which other providers' come near.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimate {
    tokens: u64,
    bytes: u64,
}

impl Estimate {
    /// Adds a text, as it stands in JSON: escapes count as they are written.
    pub(super) fn add(&mut self, text: &[u8]) {
        match exact(text) {
            Some(tokens) => self.tokens = self.tokens.saturating_add(tokens),
            None => self.add_bytes(text.len()),
        }
    }

    /// Adds something of which only the length is known.
    pub(super) fn add_bytes(&mut self, length: usize) {
        self.bytes = self.bytes.saturating_add(length as u64);
    }

    pub(super) const fn tokens(self) -> u64 {
        self.tokens.saturating_add(self.bytes.div_ceil(3))
    }
}

#[cfg(feature = "exact-tokens")]
fn exact(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    Some(bpe_openai::o200k_base().count(text) as u64)
}

#[cfg(not(feature = "exact-tokens"))]
const fn exact(_: &[u8]) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::Estimate;

    #[test]
    fn an_estimate_is_not_under_what_there_is() {
        let mut estimate = Estimate::default();
        for text in ["How many tokens ", "are these", "?"] {
            estimate.add(text.as_bytes());
        }
        let exactly = 6;
        assert!(estimate.tokens() >= exactly);
        assert!(estimate.tokens() < 2 * exactly || cfg!(not(feature = "exact-tokens")));
    }
}
