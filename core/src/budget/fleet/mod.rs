//! Decides what may be spent of budgets that a whole fleet of Envoys shares: counters in Valkey or Redis, of which each
//! VM is lent a part.
//!
//! Three levels are one idea: a request holds room in its VM's part, a VM's part is lent by the ledger, and the ledger
//! keeps the limit. Each level lends the one below a ceiling and always has at least what that one holds and owes.
//!
//! ```text
//! ## request ▸ component (one VM, one account, one window) ▸ account in the ledger
//! ## far from the limit   => the VM has some to spare; nobody waits
//! ## near it              => requests wait for the answer to an ask; the ledger says who is first
//! ## the ledger is away   => what was lent may be used up; then as `on_outage` says
//! ```
//!
//! Does not know hosts: the adapter carries the calls that `calls.rs` makes.

mod answers;
mod backlog;
mod calls;
mod client;
mod component;
pub mod exchange;
mod failure;
mod in_flight;
mod lending;
mod link;
pub mod script;
mod settings;
mod share;
mod share_id;
mod state;
pub mod stored;
mod units;
mod waiter;
mod waiting;
pub mod told;
pub mod workers;

pub use backlog::Backlog;
pub use calls::Call;
pub use client::{Known, PartView};
pub use failure::Failure;
pub(crate) use failure::failure;
pub use in_flight::Notice;
pub use settings::{Access, Network, OnOutage, Settings};
pub use state::{FleetLedger, Turn};
pub use units::Units;
pub use waiting::Ready;

#[cfg(test)]
mod tests;
