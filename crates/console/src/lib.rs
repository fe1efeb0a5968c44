//! Pages for analysts, auditors and leads: server-rendered, live, accessible.
