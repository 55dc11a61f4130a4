use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{
    asked::{Asked, Hash},
    fault::Faults,
    meter::Tokens,
    mind::Thought,
};

/// A request that is being answered: what all parts of the answer are made of.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) number: u64,
    pub(crate) created: u64,
    pub(crate) asked: Asked,
    pub(crate) thought: Thought,
    pub(crate) tokens: Tokens,
    pub(crate) faults: Faults,
}

impl Exchange {
    /// An id in the provider's manner.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.number)
    }

    /// The id of one of several calls or items.
    pub(crate) fn nth(&self, prefix: &str, index: usize) -> String {
        format!("{prefix}{:016x}{index}", self.number)
    }

    /// The tokens of all choices.
    pub(crate) fn output(&self) -> u64 {
        self.thought.tokens() * self.choices()
    }

    pub(crate) fn reasoning(&self) -> u64 {
        self.thought.reasoning.len() as u64 * self.choices()
    }

    pub(crate) fn choices(&self) -> u64 {
        self.asked.choices.max(1)
    }
}

/// What a provider signs its model's thoughts with, to know them again.
pub(crate) fn signature(text: &str) -> String {
    BASE64_STANDARD.encode(Hash::new().add("simulated").add(text).0.to_le_bytes())
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A moment as RFC 3339 writes it.
pub(crate) fn date(seconds: u64) -> String {
    // Civil dates from days: years that begin in March end with the leap day.
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
        assert_eq!(date(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(date(1_795_449_599), "2026-11-23T15:59:59Z");
    }
}
