//! The log's public files: who of several gateways publishes them, and where to.
