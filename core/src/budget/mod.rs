//! What a request may cost: the estimate, the budgets that it counts in, and what is held of them while it runs.

pub mod subject;
pub mod fleet;
pub mod ledger;
pub mod live;
pub mod hold;
pub mod estimate;
pub mod recent;
pub mod admit;
pub mod counting;
pub mod pending;
pub mod upload;
