//! Decides how JSON is read when only a few of its values matter.
//!
//! A request may be ten megabytes of prompt around a model name, an answer a megabyte around a usage
//! object, and either may come in any number of pieces. [`Scanner`] goes through the bytes once, builds
//! nothing, keeps nothing but the values it was told to look for, and can stop at every byte.
//!
//! Does not check what it skips beyond brackets and strings: that is the provider's business. What it
//! reports is nevertheless what every JSON parser would see.

mod block;
mod found;
mod nesting;
mod number;
mod quote;
mod scan;
mod shape;
mod string;
mod token;
mod value;
#[cfg(test)]
mod tests;

pub use found::{Sink, SyntaxError};
pub use number::count;
pub use scan::Scanner;
pub use shape::Shape;
pub(crate) use string::string_length;
pub use string::unescape;
pub use value::Value;
