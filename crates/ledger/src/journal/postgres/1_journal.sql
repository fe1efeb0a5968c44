CREATE SCHEMA sightline;

-- What the tables are. One row.
CREATE TABLE sightline.format (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    version     integer NOT NULL,
    -- The oldest versions of the program that may read and write.
    min_reader  integer NOT NULL,
    min_writer  integer NOT NULL,
    -- Which log this is, once it has begun.
    vkey        text,
    master      bytea
);
INSERT INTO sightline.format (version, min_reader, min_writer) VALUES (1, 1, 1);

-- How far the ledger has come. One row; its lock is the turn to append.
CREATE TABLE sightline.head (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    size   bigint  NOT NULL,
    root   bytea   NOT NULL,
    -- The number of the last entry that takes something away, counted from 1.
    fence  bigint  NOT NULL
);
INSERT INTO sightline.head (size, root, fence)
    VALUES (0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0);

CREATE TABLE sightline.batch (
    first  bigint  PRIMARY KEY,
    count  integer NOT NULL,
    -- Random, so that whoever does not know whether it was committed can look.
    id     bytea   NOT NULL,
    bytes  bytea   NOT NULL
);

CREATE TABLE sightline.customer_key (
    who      bytea PRIMARY KEY,
    month    integer NOT NULL,
    id       bytea NOT NULL UNIQUE,
    wrapped  bytea NOT NULL
);
CREATE INDEX customer_key_of_month ON sightline.customer_key (month);
