//! What a server behind the gateway could read in a request, whoever wrote it.
//!
//! Servers differ in what they forgive: case, doubled members, comments, encodings, line ends. A gateway that reads
//! a request as one of them does lets in what another one reads. These models are the union: whatever one of
//! the known parsers finds, they find. A test then says that Farebox read the same, or refused.
//!
//! Does not know Farebox: nothing here is used outside of tests and benchmarks. What those draw is here too: see `dice.rs`.

pub mod dice;
pub mod form;
pub mod json;
pub mod limit;
