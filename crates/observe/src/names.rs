use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Tells the recorder what the metrics mean and in what unit they are; to be called once, by the program that installs
/// the recorder.
///
/// ```
/// // metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
/// tollgate_observe::describe();
/// ```
pub fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests that have ended, refused and cancelled ones too"
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "From a request's head to its answer's end"
    );
    describe_histogram!(
        FIRST_BYTE,
        Unit::Seconds,
        "From a request's head to its answer's first byte"
    );
    describe_counter!(
        TOKENS,
        Unit::Count,
        "Tokens used, by kind; reasoning is part of the output"
    );
    describe_counter!(COST, Unit::Count, "Money spent, in billionths of a dollar");
    describe_counter!(CACHE, Unit::Count, "What the cache did");
    describe_counter!(
        ATTEMPTS,
        Unit::Count,
        "Requests sent to a target, by their status or what went wrong"
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Requests that have not ended");
}

pub(crate) const REQUESTS: &str = "tollgate_requests_total";
pub(crate) const DURATION: &str = "tollgate_request_duration_seconds";
pub(crate) const FIRST_BYTE: &str = "tollgate_time_to_first_byte_seconds";
pub(crate) const TOKENS: &str = "tollgate_tokens_total";
pub(crate) const COST: &str = "tollgate_cost_nanodollars_total";
pub(crate) const CACHE: &str = "tollgate_cache_total";
pub(crate) const ATTEMPTS: &str = "tollgate_attempts_total";
pub(crate) const IN_FLIGHT: &str = "tollgate_requests_in_flight";
