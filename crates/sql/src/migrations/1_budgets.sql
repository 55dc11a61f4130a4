-- Which memory this is. One row.
CREATE TABLE tollgate_origin (
    only_one BIGINT PRIMARY KEY CHECK (only_one = 1),
    id TEXT NOT NULL,
    origin TEXT NOT NULL,
    decided BIGINT NOT NULL,
    -- Windows that began before this are not remembered, until it is stated what was spent.
    lost_at BIGINT NOT NULL
);

-- Accounts: locked while something is decided for them.
CREATE TABLE tollgate_budget (
    account TEXT PRIMARY KEY,
    clock_floor BIGINT NOT NULL,
    -- The running or last window; 0 before the first.
    number BIGINT NOT NULL,
    -- The loss, of those in `tollgate_origin`, after which it was stated what was spent.
    restated BIGINT NOT NULL
);

CREATE TABLE tollgate_window (
    account TEXT NOT NULL REFERENCES tollgate_budget (account),
    number BIGINT NOT NULL,
    spend_limit BIGINT NOT NULL,
    granted BIGINT NOT NULL CHECK (granted >= 0),
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (account, number)
);

CREATE TABLE tollgate_asker (
    account TEXT NOT NULL,
    asker TEXT NOT NULL,
    -- The last one that was answered, and the answer, which is final.
    number BIGINT NOT NULL,
    answer TEXT NOT NULL,
    -- The windows that were named to it.
    windows TEXT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (account, asker)
);
CREATE INDEX tollgate_asker_seen_at ON tollgate_asker (seen_at);
