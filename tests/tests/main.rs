//! All end-to-end tests, one topic a file.

mod budgets;
mod harness;
mod identity;
mod main_path;
mod routing;
mod streaming;
