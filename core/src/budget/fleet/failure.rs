//! Decides what it means when a server does not answer as it should.
//!
//! An error in place of an answer says whether anything can have been applied: only what is known to come before the
//! first write counts as not applied.

use core::fmt;

/// Errors of a server that did not run the script, and may later.
pub(super) const UNAVAILABLE: [&str; 8] =
    ["LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "OOM", "READONLY", "NOREPLICAS", "TRYAGAIN"];
/// Errors of a server that does not let us in, or that is not what the configuration says.
pub(super) const DENIED: [&str; 5] = ["NOAUTH", "WRONGPASS", "NOPERM", "CROSSSLOT", "MISCONF"];

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server does not know the script; nothing was applied.
    NoScript,
    /// Another node has the account, at this address; nothing was applied.
    Moved(String),
    /// The server does not let us in.
    Denied(String),
    /// The server cannot serve now; nothing was applied.
    Unavailable(String),
    /// It is not known whether anything was applied. What the server said, if it said something.
    Unknown(String),
}

impl Failure {
    /// Whether it is sure that nothing was applied.
    #[must_use]
    pub fn applied_nothing(&self) -> bool {
        match self {
            // After a wrong password the script runs all the same if the server's own user needs none, and who lacks
            // a right may lack it in the middle of the script.
            Self::Denied(why) => !["WRONGPASS", "NOPERM"].iter().any(|code| why.starts_with(code)),
            Self::NoScript | Self::Moved(_) | Self::Unavailable(_) => true,
            Self::Unknown(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScript => f.write_str("it does not keep the script"),
            Self::Moved(address) => write!(f, "the budget is on another node, {address}"),
            Self::Denied(why) if why.starts_with("CROSSSLOT") => {
                write!(f, "it is a cluster, but `ledger.mode` is not `cluster`: {why}")
            }
            Self::Denied(why) if why.starts_with("MISCONF") => write!(f, "it cannot save its data: {why}"),
            Self::Denied(why) => {
                write!(f, "it does not let us in (`ledger.username`, `ledger.password`): {why}")
            }
            Self::Unavailable(why) => write!(f, "it cannot serve now: {why}"),
            Self::Unknown(why) if why.is_empty() => f.write_str("no answer, or one that was cut"),
            Self::Unknown(why) => write!(f, "it answered {why}"),
        }
    }
}

/// What an error in place of the array means.
pub(crate) fn failure(error: &[u8], loaded: bool) -> Failure {
    let text: String = String::from_utf8_lossy(within_script(error)).chars().take(200).collect();
    let mut words = text.split(' ');
    let code = words.next().unwrap_or_default();
    match code {
        // A server that forgets what it was just given is no use.
        "NOSCRIPT" if !loaded => Failure::NoScript,
        "NOSCRIPT" => Failure::Unavailable(text),
        "MOVED" => match words.nth(1) {
            Some(address) => Failure::Moved(bracketed(address)),
            None => Failure::Unknown(text),
        },
        // A slot on its way to another node: it is asked again later.
        "ASK" => Failure::Unavailable(text),
        _ if UNAVAILABLE.contains(&code) => Failure::Unavailable(text),
        _ if DENIED.contains(&code) => Failure::Denied(text),
        _ => Failure::Unknown(text),
    }
}

/// An address as it is written everywhere else. A server names an IPv6 address without brackets: `::1:6379`.
fn bracketed(address: &str) -> String {
    match address.rsplit_once(':') {
        Some((host, port)) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
        _ => address.to_owned(),
    }
}

/// Redis 6 quotes what ended the script: `ERR Error running script (…): @user_script:65: @user_script: 65: -OOM …`.
fn within_script(error: &[u8]) -> &[u8] {
    let mark = b": -";
    if !error.starts_with(b"ERR Error running script") {
        return error;
    }
    let quoted = error.windows(mark.len()).position(|window| window == mark);
    quoted.and_then(|at| error.get(at + mark.len()..)).unwrap_or(error)
}
