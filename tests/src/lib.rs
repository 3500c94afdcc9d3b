//! What the end-to-end tests are made of: the real Envoy with the built filter, a provider that does
//! what the test dictates, and clients from polite to hostile.
//!
//! A gateway tested against a stub of its host proves only that both share one author's beliefs, so
//! everything here crosses real sockets. Whatever can be awaited is awaited, with a deadline; nothing
//! sleeps and hopes.
//!
//! Does not contain tests: see `tests/tests`.

pub mod accounts;
pub mod admin;
pub mod answers;
pub mod bootstrap;
pub mod client;
pub mod config;
pub mod crowd;
pub mod drain;
pub mod dynamic;
pub mod envoy;
pub mod envoy_gateway;
pub mod envoys;
pub mod faults;
pub mod fleet;
pub mod gateway;
pub mod http2;
pub mod identity_provider;
pub mod istio;
pub mod ledger_clusters;
pub mod ledger_storm;
pub mod mesh;
pub mod model;
pub mod mtls;
pub mod odd;
mod older;
pub mod patience;
mod pool;
pub mod process;
pub mod provider;
pub mod raw;
pub mod recorded;
pub mod registry;
pub mod resp;
pub mod script;
pub mod sdk;
pub mod sentinel;
pub mod storm;
pub mod tally;
pub mod tls_front;
pub mod valkey;
pub mod valkey_cluster;
pub mod workspace;
