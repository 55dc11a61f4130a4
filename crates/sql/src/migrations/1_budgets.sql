-- Which memory this is. One row.
CREATE TABLE tollgate_origin (
    only_one BIGINT PRIMARY KEY CHECK (only_one = 1),
    id TEXT NOT NULL,
    origin TEXT NOT NULL,
    decided BIGINT NOT NULL,
    -- When the memory was last found to be older than what it had granted; 0 for never. In milliseconds since 1970, like
    -- all times here.
    lost_at BIGINT NOT NULL,
    -- The last loss after which it was stated that accounts that are unknown had spent nothing.
    rest_stated BIGINT NOT NULL
);
INSERT INTO tollgate_origin (only_one, id, origin, decided, lost_at, rest_stated)
    VALUES (1, '', '', 0, 0, 0);

-- Accounts. Whoever decides for one locks its row.
CREATE TABLE tollgate_budget (
    account TEXT PRIMARY KEY,
    clock_floor BIGINT NOT NULL,
    -- The last loss after which it was stated what was spent, and how much that was.
    stated BIGINT NOT NULL,
    stated_spent BIGINT NOT NULL
);

-- The number of a window that was opened after a loss is above the time of the loss; of one before, below.
CREATE TABLE tollgate_window (
    account TEXT NOT NULL REFERENCES tollgate_budget (account),
    number BIGINT NOT NULL,
    spend_limit BIGINT NOT NULL,
    granted BIGINT NOT NULL CHECK (granted >= 0),
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    PRIMARY KEY (account, number)
);

-- What askers were told last, which is final, and the windows that were named to them.
CREATE TABLE tollgate_asker (
    account TEXT NOT NULL,
    asker TEXT NOT NULL,
    number BIGINT NOT NULL,
    answer TEXT NOT NULL,
    first_window BIGINT NOT NULL,
    last_window BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (account, asker)
);
