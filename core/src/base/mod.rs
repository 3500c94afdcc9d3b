//! Values that every other module speaks in: money, tokens, time, text, headers.
//!
//! Nothing here knows what a request is.

pub mod money;
pub mod tokens;
pub mod window;
pub mod text;
pub mod headers;
pub mod hash;
pub mod pattern;
pub(crate) mod product;
pub mod edits;
pub(crate) mod word;
