-- Whoever changes a key or a group locks this row: versions are committed in their order. One row.
CREATE TABLE tollgate_keys (
    only_one BIGINT PRIMARY KEY CHECK (only_one = 1),
    version BIGINT NOT NULL
);
INSERT INTO tollgate_keys (only_one, version) VALUES (1, 0);

-- Keys, and the groups that they belong to. What is deleted stays, marked, so that all hear of it.
CREATE TABLE tollgate_record (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL UNIQUE,
    deleted BOOLEAN NOT NULL,
    parent TEXT,
    in_user TEXT,
    in_team TEXT,
    in_org TEXT,
    record TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);

-- What keys are known by, now and before they were rotated: no two have the same.
CREATE TABLE tollgate_digest (
    digest TEXT PRIMARY KEY,
    key_id TEXT NOT NULL
);
CREATE INDEX tollgate_digest_key_id ON tollgate_digest (key_id);
