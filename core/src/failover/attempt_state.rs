//! Decides how the gateway and the attempts of a request tell each other what they know, and in which bytes.
//!
//! Each attempt runs in a context of its own, behind the router and in another VM than the gateway. All that they share is
//! the request's own state at the host. Two entries are enough, because there are two that write:
//!
//! | entry | written by | says |
//! |---|---|---|
//! | plan | the gateway, before the first attempt | a [`FailoverPlan`]: where the request may go, and with which key first |
//! | attempt | every attempt, when it begins and when its answer is known | an [`AttemptState`]: what is under way, what is next, what came of all so far |
//!
//! A reader does not trust them: any bytes are one of these or nothing, and nothing is no reason to send a request anywhere.
//!
//! ```text
//! ## entry    => kind and version (1 byte), members in the order in which they are written here
//! ## number   => 8 bytes, little-endian       truth => 1 byte
//! ## text     => its length (4 bytes), UTF-8   list  => the number of its entries (4 bytes), the entries
//! ```

use crate::base::money::PicoUsd;
use crate::base::window::Millis;
use crate::failover::attempt_log::{AttemptLog, LoggedAttempt};
use crate::failover::failed_usage::FailedUsage;
use crate::failover::plan::{Attempt, FailoverPlan, PlannedTarget};

/// First byte of a plan, and of what attempts say. Another version has another one.
const PLAN: u8 = 0x12;
const ATTEMPT: u8 = 0x21;

/// What the last attempt that began leaves for the next one and for the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptState {
    /// What is under way.
    pub attempt: Attempt,
    /// When it began.
    pub began: Millis,
    /// What comes after it. The same once more: nothing does.
    pub next: Attempt,
    /// What the host calls the cluster that it was brought to; the name need not be ours.
    pub cluster: String,
    /// What the attempts that failed have used.
    pub failed_usage: FailedUsage,
    /// What came of every attempt.
    pub attempt_log: AttemptLog,
}

impl AttemptState {
    /// The bytes that the next attempt reads, and the gateway.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new(ATTEMPT);
        out.attempt(self.attempt);
        out.number(self.began.0);
        out.attempt(self.next);
        out.text(&self.cluster);
        let FailedUsage { usd, input, output, given_up } = self.failed_usage;
        [usd.0, input, output, given_up].into_iter().for_each(|number| out.number(number));
        out.length(self.attempt_log.0.len());
        for LoggedAttempt { provider, model, credential, reason, answer } in &self.attempt_log.0 {
            out.text(provider);
            out.text(model);
            out.truth(credential.is_some());
            out.text(credential.as_deref().unwrap_or_default());
            out.text(reason);
            out.truth(answer.is_some());
            let (status, ms) = answer.unwrap_or_default();
            out.number(status);
            out.number(ms);
        }
        out.0
    }

    /// Reads what [`AttemptState::to_bytes`] wrote.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(ATTEMPT, bytes)?;
        let state = Self {
            attempt: from.attempt()?,
            began: Millis(from.number()?),
            next: from.attempt()?,
            cluster: from.text()?,
            failed_usage: FailedUsage {
                usd: PicoUsd(from.number()?),
                input: from.number()?,
                output: from.number()?,
                given_up: from.number()?,
            },
            attempt_log: AttemptLog(from.list(|from| {
                let (provider, model) = (from.text()?, from.text()?);
                let (has_credential, credential) = (from.truth()?, from.text()?);
                let reason = from.text()?.into();
                let (has_answer, status, ms) = (from.truth()?, from.number()?, from.number()?);
                let credential = has_credential.then_some(credential);
                Some(LoggedAttempt {
                    provider,
                    model,
                    credential,
                    reason,
                    answer: has_answer.then_some((status, ms)),
                })
            })?),
        };
        from.is_at_its_end().then_some(state)
    }
}

impl FailoverPlan {
    /// The bytes that attempts read.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new(PLAN);
        out.text(&self.path);
        out.number(self.draw);
        out.number(self.key as u64);
        out.number(self.attempts.into());
        out.truth(self.asks_for_usage);
        out.length(self.targets.len());
        for PlannedTarget { provider, model, long } in &self.targets {
            out.text(provider);
            out.text(model);
            out.truth(*long);
        }
        out.0
    }

    /// Reads what [`FailoverPlan::to_bytes`] wrote.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(PLAN, bytes)?;
        let plan = Self {
            path: from.text()?,
            draw: from.number()?,
            key: from.index()?,
            attempts: from.number()?.try_into().ok()?,
            asks_for_usage: from.truth()?,
            targets: from.list(|from| {
                Some(PlannedTarget { provider: from.text()?, model: from.text()?, long: from.truth()? })
            })?,
            confined: false,
        };
        from.is_at_its_end().then_some(plan)
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn new(kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(kind);
        Self(bytes)
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn truth(&mut self, truth: bool) {
        self.0.push(truth.into());
    }

    /// A length that does not fit is that of a text which is then not read: its bytes do not end where it says.
    fn length(&mut self, length: usize) {
        self.0.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn attempt(&mut self, attempt: Attempt) {
        let Attempt { target, key, number, tried, suspects, bare, failed_hosts } = attempt;
        let numbers = [target as u64, key as u64, number.into(), tried, suspects, failed_hosts as u64];
        numbers.into_iter().for_each(|number| self.number(number));
        self.truth(bare);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn new(kind: u8, bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(&[kind]).map(Self)
    }

    fn is_at_its_end(&self) -> bool {
        self.0.is_empty()
    }

    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn index(&mut self) -> Option<usize> {
        self.number()?.try_into().ok()
    }

    fn truth(&mut self) -> Option<bool> {
        let (truth, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*truth == 1)
    }

    fn length(&mut self) -> Option<usize> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        u32::from_le_bytes(*length).try_into().ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(core::str::from_utf8(text).ok()?.to_owned())
    }

    /// A list that says that it is longer than its bytes ends where they do: nothing is kept ready for it.
    fn list<T>(&mut self, mut entry: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.length()?;
        let mut list = Vec::new();
        for _ in 0..length {
            list.push(entry(self)?);
        }
        Some(list)
    }

    fn attempt(&mut self) -> Option<Attempt> {
        Some(Attempt {
            target: self.index()?,
            key: self.index()?,
            number: self.number()?.try_into().ok()?,
            tried: self.number()?,
            suspects: self.number()?,
            failed_hosts: self.index()?,
            bare: self.truth()?,
        })
    }
}

#[cfg(test)]
mod tests;
