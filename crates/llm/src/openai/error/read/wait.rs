use std::time::Duration;

use serde_json::Value;

/// Google's, in a list of details: `"retryDelay": "34.4s"`.
pub(super) fn in_details(details: &Value) -> Option<Duration> {
    let details = details.as_array()?.iter();
    let mut delays = details.filter_map(|detail| detail["retryDelay"].as_str());
    duration(delays.next()?)
}

/// A wait that is only said in words, such as `Please try again in 6m0s` or `retry after 20 seconds`.
pub(super) fn in_words(message: &str) -> Option<Duration> {
    let rest = WAITS
        .iter()
        .find_map(|words| Some(message.split_once(words)?.1))?;
    let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '.');
    let word = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
    match word.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => duration(word),
    }
}

/// A duration as Go writes it: `120ms`, `1.5s`, `6m0s`.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, more) = rest.split_at(rest.find(|it: char| it.is_ascii_alphabetic())?);
        let end = more.find(|it: char| !it.is_ascii_alphabetic());
        let (unit, more) = more.split_at(end.unwrap_or(more.len()));
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
        total = total.checked_add(part)?;
        rest = more;
    }
    (!text.is_empty()).then_some(total)
}

const WAITS: [&str; 3] = ["try again in ", "retry after ", "retry in "];
