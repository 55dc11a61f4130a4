use std::{borrow::Cow, sync::Arc, time::Duration};

use http::Method;
use jiff::{Timestamp, tz::Offset};
use serde::{Serialize, Serializer, ser::SerializeMap, ser::SerializeStruct};
use serde_json::Value;
use tollgate_core::{
    Digest, Outcome,
    fact::{
        CacheStatus, Call, Cost, Dispatch, Failure, Finding, Principal, Target, TotalCost, Usage,
    },
};

/// What is written of one request: a line of JSON with these members, in this order. What is not known is left out.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// When the request came in; in UTC, to the millisecond (RFC 3339).
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// The caller's `x-request-id`, if it is visible ASCII and not too long, else one of ours.
    pub id: String,
    /// The method.
    #[serde(serialize_with = "method")]
    pub method: Method,
    /// The path, without the query.
    pub path: Box<str>,
    /// The status; none if there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How the answer ended: `completed`, `failed` or `cancelled`.
    pub outcome: Outcome,
    /// How long it took to the end.
    #[serde(rename = "duration_ms", serialize_with = "millis")]
    pub duration: Duration,
    /// How long it took to the first byte of the answer's body.
    #[serde(
        rename = "first_byte_ms",
        serialize_with = "some_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub first_byte: Option<Duration>,
    /// Who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// What was asked for: `operation`, `model` and `stream`.
    #[serde(serialize_with = "call", skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// The name of the target that served, or was the last to fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Arc<str>>,
    /// The tries, in the order in which they were begun.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<AttemptRecord>,
    /// What the cache did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
    /// What was used, all tries together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost, all tries together, in billionths of a dollar; `null` if a try has no known cost.
    #[serde(rename = "cost_nanos", skip_serializing_if = "Option::is_none")]
    pub cost: Option<TotalCost>,
    /// The code of the refusal, if a layer answered and not the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Box<str>>,
    /// Why it came to nothing, where the status does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What detectors found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The digest of the request's body as it was sent on; none if it was empty, or nobody read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Digest>,
    /// What users noted in the trail.
    #[serde(serialize_with = "map", skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<(Cow<'static, str>, Value)>,
}

/// What is written of one try.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// Where it went: `name`, `provider` and `model`.
    #[serde(flatten)]
    pub target: Target,
    /// The status of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took to the head of its answer, or to fail.
    #[serde(
        rename = "took_ms",
        serialize_with = "some_millis",
        skip_serializing_if = "Option::is_none"
    )]
    pub took: Option<Duration>,
    /// What it used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What it cost, in billionths of a dollar.
    #[serde(rename = "cost_nanos", skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Whether it began to go out; if that is not known, it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Dispatch>,
    /// Whether its answer was discarded for another's.
    #[serde(skip_serializing_if = "is_false")]
    pub superseded: bool,
}

/// Digit by digit, since the general way takes many times as long, and each record has one.
fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let at = Offset::UTC.to_datetime(*time);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let fields = [
        (0..4, at.year()),
        (5..7, at.month().into()),
        (8..10, at.day().into()),
        (11..13, at.hour().into()),
        (14..16, at.minute().into()),
        (17..19, at.second().into()),
        (20..23, at.millisecond()),
    ];
    for (place, number) in fields {
        let mut number = number.unsigned_abs(); // No clock stands before the year 0.
        for digit in text[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
    serializer.serialize_str(std::str::from_utf8(&text).unwrap_or_default())
}

fn method<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

/// To the microsecond; more digits would say more than the clock knows.
fn millis<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_micros() as f64 / 1e3)
}

fn some_millis<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    millis(&time.unwrap_or_default(), serializer)
}

fn call<S: Serializer>(call: &Option<Call>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(call) = call else {
        return serializer.serialize_none();
    };
    let mut fields = serializer.serialize_struct("Call", 3)?;
    fields.serialize_field("operation", &call.operation)?;
    fields.serialize_field("model", &call.model)?;
    fields.serialize_field("stream", &call.stream)?;
    fields.end()
}

fn map<S: Serializer>(
    notes: &[(Cow<'static, str>, Value)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(notes.len()))?;
    for (name, value) in notes {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Serializer, Value};

    #[test]
    fn a_time_is_written_as_rfc_3339_says() {
        for text in [
            "1970-01-01T00:00:00.000Z",
            "2024-02-29T23:59:59.999Z",
            "2026-11-23T07:08:09.010Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            let mut written = Vec::new();

            super::rfc3339(&time, &mut Serializer::new(&mut written)).unwrap();

            let read: Value = serde_json::from_slice(&written).unwrap();
            assert_eq!(read, text);
        }
    }
}
