//! Decides what the headers of an answer mean: how it is metered, what of them goes on, what is told besides, and whether
//! the client must be told something else.

use crate::base::headers::{EditHeaders, RequestHead, is_success};
use crate::denial::Denial;
use crate::dialect::framing::Framing;
use crate::exchange::Exchange;
use crate::request::api;
use crate::response::meter::Meter;

/// The headers of an answer, and what the host knows of it.
pub struct AnswerHead<'a> {
    /// The headers.
    pub head: &'a RequestHead,
    /// Its status, if it has one.
    pub status: Option<u64>,
    /// Nothing comes after them.
    pub complete: bool,
    /// Finds out whether it comes from a provider. The host's own answers pass here too.
    pub is_from_provider: &'a dyn Fn() -> bool,
}

impl Exchange {
    /// The answer's headers, which are changed where they are. Says what the client must be told instead.
    #[must_use]
    pub fn begin<H: EditHeaders>(&mut self, answer: &AnswerHead<'_>, headers: &mut H) -> Option<Denial> {
        let AnswerHead { head, status, complete, is_from_provider } = *answer;
        let framing = Framing::of(self.endpoint, head.first("content-type"), head.first("content-encoding"));
        let succeeded = status.is_some_and(is_success);
        self.framing = framing;
        self.local = !succeeded && !is_from_provider();
        self.meter.expect(framing, self.sent.asks_for_usage && succeeded);
        self.meter.head(head);
        self.complete = complete;
        let (config, target, key) = (&self.config, &self.admission.target, self.sent.key);
        let binds = succeeded
            && self.binding.as_mut().is_some_and(|binding| binding.begin(config, target, key, framing));
        // An answer whose length stays must not get shorter, nor longer.
        if (self.meter.hides() || binds)
            && head.first("content-length").is_some()
            && headers.remove(b"content-length").is_err()
        {
            self.meter = Meter::new(self.endpoint, framing, false);
            self.binding = None;
        }
        if !self.local {
            self.strip(head, headers);
        }
        self.tell(headers);
        if self.local {
            // The host says it in a few words that no SDK can read.
            let status = status.filter(|status| matches!(status, 408 | 500..600))?;
            return u16::try_from(status).ok().map(Denial::Unanswered);
        }
        // A client that follows it would take its key to a stranger.
        if let Some(redirect) = status.filter(|status| (300..400).contains(status)) {
            self.provider_status = Some(redirect);
            return Some(Denial::ProviderRedirected);
        }
        self.doubt(head, status?);
        if complete { self.judge_refusal(&[]) } else { None }
    }

    /// Takes out what of the answer's head is not for callers. What cannot be taken out goes on.
    fn strip<H: EditHeaders>(&self, head: &RequestHead, headers: &mut H) {
        let also = &self.config.passed.response_headers;
        for (name, _) in head.iter().filter(|(name, _)| !api::passes_response(self.api, also, name)) {
            let _ = headers.remove(name);
        }
    }

    /// Says in headers what its budgets did to the request. What cannot be said is not.
    fn tell<H: EditHeaders>(&self, headers: &mut H) {
        if let Some(limit) = self.admission.output_limit {
            let _ = headers.set("x-farebox-output-limit", limit.to_string().as_bytes());
        }
        if let Some(by) = &self.admission.downgraded_by {
            let _ = headers.set("x-farebox-downgraded-by", by.budget.name.as_bytes());
        }
        let warnings: Vec<String> =
            self.warnings().map(|(name, percent)| format!("{name};percent={percent}")).collect();
        if !warnings.is_empty() {
            let _ = headers.set("x-farebox-budget-warning", warnings.join(", ").as_bytes());
        }
    }

    /// Budgets of which more is used than they want to go by in silence, each with the percentage that is passed.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, u64)> {
        self.admission.noticed.percents.iter().filter_map(|(account, used)| {
            let passed = account.budget.warn_percent.iter().rev().find(|&&percent| percent <= *used)?;
            Some((&*account.budget.name, *passed))
        })
    }
}
