//! What an answer is: its usage, read as it passes, and the event that ends one early.

pub mod meter;
pub mod stream_error;
