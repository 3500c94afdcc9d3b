//! Decides how an admitted request goes on to its first target: which key, which headers, which changes of its body, and
//! whether it may be sent again.
//!
//! A body is passed on as it is unless the model's name, a limit or the wish for usage differs.

use core::ops::Range;

use crate::base::edits::Edit;
use crate::base::headers::{EditHeaders, RequestHead};
use crate::base::window::Millis;
use crate::budget::admit::Admission;
use crate::budget::ledger::Store;
use crate::config::Config;
use crate::dialect::Served;
use crate::failover::key_pool::KeyPool;
use crate::failover::plan::{FailoverPlan, ways_to};
use crate::failover::reach::{Leave, Reach};
use crate::request::identity;
use crate::request::llm_request::LlmRequest;
use crate::request::upstream::{Unaddressed, Upstream, completion_member, edited_body, passed_path};
use crate::request::usage_option::may_ask;

/// The request header that names the cluster too, for routes that do not know filter state.
const CLUSTER_HEADER: &str = "x-farebox-cluster";

/// An admitted request on its way to its first target.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a> {
    /// What the operator decided.
    pub config: &'a Config,
    /// The request's headers.
    pub head: &'a RequestHead,
    /// What it is asked for.
    pub served: &'a Served,
    /// What is asked.
    pub request: &'a LlmRequest,
    /// Where it goes.
    pub admission: &'a Admission,
    /// Its body.
    pub body: &'a [u8],
    /// A number drawn for this request.
    pub draw: u64,
}

/// How a request was sent.
#[derive(Debug)]
pub struct Sent {
    /// Which key of its first target's provider it was sent with.
    pub key: usize,
    /// The stream is made to report usage, which its client did not ask for.
    pub asks_for_usage: bool,
    /// Its body, if it was changed.
    pub body: Option<Vec<u8>>,
    /// Where else it may go.
    pub failover_plan: Option<FailoverPlan>,
}

impl Dispatch<'_> {
    /// Writes the request's headers anew, and says what else there is to write. `leave` finds out how the request may leave,
    /// if that matters.
    ///
    /// # Errors
    /// [`Unaddressed`]: it must not go on.
    pub fn write<H: EditHeaders, S: Store>(
        &self,
        headers: &mut H,
        key_pool: &KeyPool<'_, S>,
        now: Millis,
        leave: impl FnOnce() -> Leave,
    ) -> Result<Sent, Unaddressed<H::Error>> {
        let Self { config, head, served, request, admission, body, draw } = *self;
        let target = &admission.target;
        let model = (&*target.model, served.endpoint.name());
        let first = || key_pool.first(&target.provider, model, draw, now);
        let key = admission.key.unwrap_or_else(first);
        let asks_for_usage = request.stream
            && !request.wants_usage
            && may_ask(&target.provider, served, head.path_and_query(), body);
        // From here on every change of a header makes Envoy pick the route again, when it next needs it.
        let shown = identity::shown(head, Some(served.api)).ok().flatten().unwrap_or_default();
        let upstream = Upstream { target, key, served, request };
        upstream.strip(headers, config, head, &shown)?;
        headers.set(CLUSTER_HEADER, target.provider.cluster.as_bytes())?;
        // What is compressed cannot be metered.
        headers.set("accept-encoding", b"identity")?;
        let path = passed_path(config, head, served.api, &shown);
        upstream.address(headers, head.path_and_query(), &path)?;
        let mut edits = Vec::new();
        edits.extend(request.name_model(&target.model));
        if asks_for_usage {
            edits.push(request.ask_for_usage());
        }
        if let Some(limit) = admission.output_limit {
            edits
                .extend(request.limit_output(limit, completion_member(&target.provider)).unwrap_or_default());
        }
        // What is written over already is gone.
        let is_gone = |cut: &Range<usize>| edits.iter().any(|edit: &Edit| edit.overlaps(cut));
        let cuts: Vec<_> = admission.cuts.iter().filter(|cut| !is_gone(cut)).cloned().collect();
        edits.extend(cuts.into_iter().map(|cut| Edit::replace(cut, "")));
        let body = edited_body(headers, head, body, edits)?;
        let failover_plan = self.failover_plan(key, &path, leave);
        let failover_plan = failover_plan.map(|plan| FailoverPlan { asks_for_usage, ..plan });
        Ok(Sent { key, asks_for_usage, body, failover_plan })
    }

    /// Where else the request may go, and how often.
    fn failover_plan(&self, key: usize, path: &[u8], leave: impl FnOnce() -> Leave) -> Option<FailoverPlan> {
        let Self { config, admission, .. } = *self;
        if admission.plan.targets.len() + admission.plan.long.len() < 2
            && ways_to(&admission.target.provider) < 2
        {
            return None;
        }
        // Nobody else has what it goes on from, and an attempt makes its request out of the body.
        if admission.key.is_some() || config.headers_only.is_some() {
            return None;
        }
        // Without the filter behind the router every attempt is the same: one key, one provider, one charge.
        let leave = leave();
        if leave == Leave::Once {
            return None;
        }
        let path = core::str::from_utf8(path).ok()?;
        let mut plan = FailoverPlan::new(config, &admission.plan, &admission.target, path, (key, self.draw));
        if leave == Leave::Again(Reach::Cluster) {
            plan.confine(config);
        }
        if plan.attempts < 2 {
            return None;
        }
        if leave == Leave::Trial {
            plan.attempts = 1;
        }
        Some(plan)
    }
}
