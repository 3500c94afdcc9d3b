//! Decides with which status and headers a refusal makes a client wait, or stop and show why.
//!
//! Clients act on these before any person reads the sentence, and they differ: some try 429 again without a word and
//! without an end, one sleeps for as long as `retry-after` says, an hour if need be, one repeats everything but 400. So
//! what will be the same a minute later never says when to come again, and says that it is final in the way that
//! stops who asks. Each of these was seen in runs of the client: `docs/clients.md` has the table, and a test holds it to this.
//!
//! Does not choose the words: see `message.rs`.

use super::{BudgetReason, Denial};
use crate::base::headers::RequestHead;
use crate::base::window::Millis;
use crate::dialect::Dialect;

/// Resets nearer than this are worth waiting for, in milliseconds: SDKs then wait and succeed.
const WORTH_WAITING_MS: u64 = 60_000;
/// Until another request has ended, or the store answers again.
const MOMENT_MS: u64 = 1_000;
/// What is told who wants to know how long never is, in milliseconds.
const NEVER_MS: u64 = 86_400_000;

/// What a client makes of refusals, as far as that depends on who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Client {
    /// An official SDK of OpenAI or Anthropic, or what is built with one: obeys `x-should-retry`, and tells 429 to its
    /// program as the error that programs catch.
    Sdk,
    /// litellm, and what takes raw answers from such an SDK as it does: has rules of its own, and tries 429 again
    /// whatever the headers say. What is built with it does so for 402 and 403 too.
    Wrapped,
    /// OpenAI's Codex: tries everything again but 400 and some 429, of which it shows words of its own.
    Codex,
    /// Any other.
    #[default]
    Other,
}

impl Client {
    /// Who sends a request with this head.
    #[must_use]
    pub fn of(head: &RequestHead) -> Self {
        let mut client = Self::Other;
        for (name, value) in head.iter() {
            match name {
                b"user-agent" if value.starts_with(b"codex") => return Self::Codex,
                b"user-agent" if value.starts_with(b"litellm") => client = Self::Wrapped,
                b"x-stainless-raw-response" => client = Self::Wrapped,
                b"x-stainless-lang" if client == Self::Other => client = Self::Sdk,
                _ => {}
            }
        }
        client
    }

    /// The status of what is final and would be told with `status`: one that this client does not try again.
    fn final_status(self, status: u16) -> u16 {
        match (self, status) {
            // It goes on without WebSockets then, at once.
            (Self::Codex, 426) | (Self::Wrapped, 401 | 404) | (Self::Sdk | Self::Other, _) => status,
            (Self::Codex | Self::Wrapped, _) => 400,
        }
    }
}

/// How a refusal is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) status: u16,
    /// How long to wait before another try, in milliseconds, if that may help soon.
    pub(super) wait_ms: Option<u64>,
    /// Whether clients must not try again.
    pub(super) is_final: bool,
    /// What Gemini's clients are told in any case: how long it will be so, in milliseconds.
    pub(super) lasts_ms: Option<u64>,
}

impl Denial {
    /// HTTP status for a `client` that speaks `dialect`.
    #[must_use]
    pub fn status(&self, dialect: Dialect, client: Client, now: Millis) -> u16 {
        self.manner(dialect, client, now).status
    }

    pub(super) fn manner(&self, dialect: Dialect, client: Client, now: Millis) -> Manner {
        let Self::Budget { reason, resets_at, forced_status, .. } = self else {
            return self.plain_manner(client);
        };
        let soon = |status, ms| Manner { status, wait_ms: Some(ms), is_final: false, lasts_ms: Some(ms) };
        let lasts_ms = match reason {
            // Waiting helps, and nothing that an operator says changes that.
            BudgetReason::Concurrency | BudgetReason::Held => return soon(429, MOMENT_MS),
            BudgetReason::Size => None,
            BudgetReason::Spent | BudgetReason::Slots => resets_at.map(|resets| resets.since(now)),
        };
        if let Some(ms) = lasts_ms.filter(|ms| *ms <= WORTH_WAITING_MS) {
            return soon(forced_status.unwrap_or(429), ms);
        }
        let status = forced_status.unwrap_or(match (client, dialect) {
            (Client::Codex | Client::Wrapped, _) => client.final_status(402),
            (Client::Sdk, _) | (_, Dialect::Gemini) => 429,
            // Whoever does not know `x-should-retry` tries 429 again, and nearly nobody 402.
            (Client::Other, _) => 402,
        });
        Manner { status, wait_ms: None, is_final: true, lasts_ms: Some(lasts_ms.unwrap_or(NEVER_MS)) }
    }

    /// The same of what is no matter of a budget.
    fn plain_manner(&self, client: Client) -> Manner {
        let waits =
            matches!(self, Self::Crowded(_) | Self::Counts(_) | Self::Store(_) | Self::HostUnsupported);
        let wait_ms = if let Self::Counts(ms) = self { Some(*ms) } else { waits.then_some(MOMENT_MS) };
        // A connection that failed cost nobody anything; who was waited for in vain may have worked.
        let may_pass = matches!(self, Self::Unanswered(503) | Self::ProviderError(429 | 500.., _));
        let is_final = !waits && !may_pass;
        let status = self.plain_status();
        let status = if is_final { client.final_status(status) } else { status };
        Manner { status, wait_ms, is_final, lasts_ms: wait_ms }
    }
}
