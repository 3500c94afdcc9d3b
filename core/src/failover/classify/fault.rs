//! Decides whose fault an error can be.

/// Whose fault an error was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The key is not accepted.
    Key,
    /// The account behind the key has no money, is closed, or is at a limit that it has set itself.
    Account,
    /// The account cannot pay for this request, but may for others.
    Allowance,
    /// The key may not do this; it is not said whether it may do anything at all.
    Access,
    /// The model is not there, or not for this account.
    Model,
    /// The request is more at once than the limits of the key and the model take.
    Size,
    /// The prompt is longer than the model can read.
    Length,
    /// The provider has too much to do, or is broken.
    Load,
    /// The request itself.
    Request,
}
