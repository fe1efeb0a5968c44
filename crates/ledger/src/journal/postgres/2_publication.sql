-- Who publishes. One row.
CREATE TABLE sightline.lease (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The name of the node, for people, and the random number that its process goes by.
    node          text,
    who           bytea,
    -- Counts how often the lease changed hands: the fencing token.
    epoch         bigint NOT NULL DEFAULT 0,
    -- By the clock of this database.
    expires       timestamptz NOT NULL DEFAULT now(),
    -- What a witness has proved to the holder.
    contradicted  text
);
INSERT INTO sightline.lease (epoch) VALUES (0);

-- What is published. One row, which only moves forward.
CREATE TABLE sightline.published (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    -- The checkpoint that was announced last, signed by the log, and the epoch of whoever announced it.
    size        bigint NOT NULL DEFAULT 0,
    note        text,
    epoch       bigint NOT NULL DEFAULT 0,
    -- The checkpoint that is given out, with the cosignatures that came for it.
    given_size  bigint NOT NULL DEFAULT 0,
    given       text
);
INSERT INTO sightline.published (size) VALUES (0);

UPDATE sightline.format SET version = 2;
