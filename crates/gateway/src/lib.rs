//! The way of a look: identify, recognise, decide, seal, record, open.
