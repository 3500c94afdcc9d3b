//! Decides whose fault a provider's error was: the key's, the account's, the model's, the load's or the request's own.
//!
//! The status alone does not say. A 403 may be a key that was revoked, a file that belongs to somebody else, or a
//! prompt that a filter did not like; a 429 may be too many requests, an account without money, or one request that
//! is larger than the model's limit. What is done follows from it, so that no caller's mistake lets the others' keys
//! rest, and no caller reads about the operator's account:
//!
//! | fault | in cooldown | goes on to | the caller gets, if nothing is left |
//! |---|---|---|---|
//! | key, account | the key | another key, the next target | 502 `provider_refused` |
//! | allowance: more than is left on the account | nothing | another key, the next target | 502 `provider_refused` |
//! | access: refused, nobody says why | the key, if another key gets an answer to the same request | another key, the next target | 502 `provider_refused` |
//! | model: not there, or not for this account | that model at this provider | the next target | what the provider said |
//! | size: more than the limits of this key and model take at once | nothing | another key, the next target | what the provider said |
//! | length: more than the model can read | nothing | the next target for long prompts | what the provider said |
//! | load | the key for this model (429) | another key (429), the next target | what the provider said |
//! | request | nothing | nothing | what the provider said |
//!
//! What is not in the table is judged by its status, and never puts a key into cooldown: 401, 403, 407 and 498 are access, 402 is the account's,
//! 408, 429 and 5xx are load, and everything else is the request's own.

mod fault;
mod said;
mod table;
mod too_long;
mod wait;

pub use fault::Fault;
pub use wait::{Waits, wait_in_body};

use said::Said;

impl Fault {
    /// Whose fault the answer with this `status` is. `kind`: its header `x-amzn-errortype`.
    #[must_use]
    pub fn of(status: u64, kind: Option<&[u8]>, body: &[u8]) -> Self {
        let said = Said::read(kind, body);
        if matches!(status, 400 | 413 | 422 | 429 | 500) && too_long::says(&said) {
            return Self::Length;
        }
        let by_status = Self::of_status(status);
        if status >= 500 { by_status } else { table::find(status, &said).unwrap_or(by_status) }
    }

    /// The same of an answer with a status of success that is an error and nothing else.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        let says = |line: &&[u8]| said::may_be_error(line);
        let is_plain = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        let line = body.split(|&byte| byte == b'\n').find(says).filter(|_| !is_plain);
        let said = Said::read(None, line.unwrap_or(body));
        if too_long::says(&said) {
            return Self::Length;
        }
        // What it would have had as its status.
        let status = said.number.filter(|number| (400..600).contains(number));
        let other = status.map_or(Self::Load, Self::of_status);
        if status.is_some_and(|status| status >= 500) {
            return other;
        }
        table::find(status.unwrap_or(400), &said).unwrap_or(other)
    }

    /// Whether a plain answer, which says that it is good, is an error and nothing else: it has a member that says so,
    /// and none that has something of an answer.
    #[must_use]
    pub fn is_all(body: &[u8]) -> bool {
        said::is_only_error(body)
    }

    /// Whether an answer has words that errors have.
    #[must_use]
    pub fn may_be_all(body: &[u8]) -> bool {
        said::may_be_error(body)
    }

    /// What an error says to a person.
    #[must_use]
    pub fn words(body: &[u8]) -> Option<String> {
        said::message(body)
    }

    /// The status of an error that came with a status of success.
    #[must_use]
    pub fn status_of_body(self, body: &[u8]) -> u16 {
        let said = Said::read(None, body).number.filter(|number| (400..600).contains(number));
        said.and_then(|number| u16::try_from(number).ok()).unwrap_or(match self {
            Self::Key | Self::Account | Self::Allowance | Self::Access | Self::Load => 502,
            Self::Model => 404,
            Self::Size => 429,
            Self::Length | Self::Request => 400,
        })
    }

    /// What a status says, as long as nothing else does.
    #[must_use]
    pub fn of_status(status: u64) -> Self {
        match status {
            401 | 403 | 407 | 498 => Self::Access,
            402 => Self::Account,
            408 | 429 | 500.. => Self::Load,
            _ => Self::Request,
        }
    }

    /// Whether the error is between the operator and the provider, so that its words are not for callers.
    #[must_use]
    pub fn is_ours(self, status: u64) -> bool {
        match self {
            Self::Key | Self::Account | Self::Allowance | Self::Access => true,
            // Some say it with the names of the account and its projects.
            Self::Model => matches!(status, 401..=403),
            Self::Size | Self::Length | Self::Load | Self::Request => false,
        }
    }
}

#[cfg(test)]
mod tests;
