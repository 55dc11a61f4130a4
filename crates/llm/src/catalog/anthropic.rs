use serde_json::{Value, json};
use tollgate_core::Rejection;

use super::{
    Model,
    query::{Query, wrong},
};

/// The page of models that `limit`, `after_id` and `before_id` ask for.
pub(super) fn list(models: &[&Model], query: &Query<'_>) -> Result<Value, Rejection> {
    let limit = query.count("limit")?.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(wrong("limit", "is between 1 and 1000"));
    }
    let at = |name| match query.get(name) {
        None => Ok(None),
        Some(id) => {
            let at = models.iter().position(|model| *model.name() == *id);
            at.map(Some).ok_or_else(|| wrong(name, "names no model"))
        }
    };
    let (page, has_more) = match (at("after_id")?, at("before_id")?) {
        (Some(_), Some(_)) => return Err(wrong("before_id", "does not go with `after_id`")),
        (None, Some(before)) => {
            let begin = before.saturating_sub(limit);
            (&models[begin..before], begin > 0)
        }
        (after, None) => {
            let rest = &models[after.map_or(0, |after| after + 1)..];
            let limit = limit.min(rest.len());
            (&rest[..limit], limit < rest.len())
        }
    };
    let data: Vec<_> = page.iter().map(|it| model(it.name(), it)).collect();
    Ok(json!({
        "data": data,
        "has_more": has_more,
        "first_id": page.first().map(|model| model.name()),
        "last_id": page.last().map(|model| model.name()),
    }))
}

/// One model, by the name that was asked for.
pub(super) fn model(name: &str, model: &Model) -> Value {
    json!({
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": time(model.created()),
        "lifecycle": "active",
        "max_input_tokens": model.context_window(),
        "max_tokens": model.max_output(),
    })
}

/// Seconds since 1970 as RFC 3339 writes them.
fn time(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from March 1 of the year 0, so that leap days come last: 146,097 days are 400 years.
    let day = day.saturating_add(719_468);
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// How many models a page has if nobody says so.
const USUAL: usize = 20;

/// How many models a page has at most.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(seconds), expected);
        }
        assert!(time(u64::MAX).ends_with('Z'));
    }
}
