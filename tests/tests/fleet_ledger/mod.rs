//! Budgets that a fleet shares, on real parts.

mod budgets;
mod crashes;
mod herds;
mod outages;
mod pushes;
mod servers;
mod storms;
