-- What was used, added up. No name is longer than 128 bytes: all of them have to fit into an index.
CREATE TABLE tollgate_usage (
    day TEXT NOT NULL,
    for_org TEXT NOT NULL,
    for_team TEXT NOT NULL,
    for_user TEXT NOT NULL,
    for_key TEXT NOT NULL,
    model TEXT NOT NULL,
    provider TEXT NOT NULL,
    served TEXT NOT NULL,
    requests BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    input BIGINT NOT NULL,
    cache_read BIGINT NOT NULL,
    cache_write BIGINT NOT NULL,
    output BIGINT NOT NULL,
    reasoning BIGINT NOT NULL,
    cost_nanos BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    estimated BIGINT NOT NULL,
    PRIMARY KEY (day, for_org, for_team, for_user, for_key, model, provider, served)
);

-- The last batch of each process, so that none is added twice.
CREATE TABLE tollgate_usage_batch (
    reporter TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);
