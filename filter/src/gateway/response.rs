//! Follows the answer to an admitted request: gathers what the host says of it, and tells the host what `exchange` of the
//! core makes of that.

use farebox_core::base::headers::{EditHeaders, RequestHead};
use farebox_core::denial::Denial;
use farebox_core::dialect::{Dialect, Endpoint};
use farebox_core::exchange::Exchange;
use farebox_core::exchange::answer::AnswerHead;
use farebox_core::exchange::piece::Piece;
use farebox_core::failover::attempt_state::AttemptState;
use proxy_wasm::types::Action;

use crate::attempt::retry::NOT_RETRIED;
use crate::gateway::state::{Gateway, State};
use crate::vm::Vm;
use farebox_hostcalls::{self as host, Buffer, HostError, Map, filter_state};

/// The headers of an answer. What cannot be changed is said in the log.
struct AnswerHeaders;

impl EditHeaders for AnswerHeaders {
    type Error = HostError;

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), HostError> {
        host::set_header(Map::Response, name, value)
            .inspect_err(|error| log::error!("an answer could not be told its {name}: {error}"))
    }

    fn remove(&mut self, name: &[u8]) -> Result<(), HostError> {
        host::remove_header(Map::Response, name)
            .inspect_err(|error| log::error!("a header of an answer could not be taken out: {error}"))
    }
}

/// Finds out which target has answered, if there was a choice and it is not known.
pub(crate) fn find_attempts(exchange: &mut Exchange, vm: &Vm) {
    if !exchange.wants_attempts() {
        return;
    }
    let state = host::filter_state(filter_state::ATTEMPT).ok();
    let state = state.and_then(|state| AttemptState::read(&state));
    if state.is_some() || is_via_upstream() {
        vm.saw(&exchange.config, &exchange.admission.target.provider.cluster, state.is_some());
    }
    if let Some(state) = state {
        exchange.attempted(state);
    }
}

/// The answer's headers. Says what the client must be told instead.
pub(crate) fn begin(
    exchange: &mut Exchange,
    head: &RequestHead,
    status: Option<u64>,
    complete: bool,
    vm: &Vm,
) -> Option<Denial> {
    find_attempts(exchange, vm);
    let mut headers = AnswerHeaders;
    if exchange.may_go_elsewhere() {
        let _ = headers.remove(NOT_RETRIED.as_bytes());
    }
    exchange.begin(&AnswerHead { head, status, complete, is_from_provider: &is_via_upstream }, &mut headers)
}

impl Gateway {
    /// A piece of a provider's answer that is held no longer.
    pub(crate) fn answered(&mut self, piece: &[u8], last: bool) -> Action {
        let State::Admitted(exchange) = &mut self.state else { return Action::Continue };
        let vm = &self.vm;
        match exchange.piece(piece, last, &self.context.request_id, |config| vm.ledger(config), host::now) {
            Piece::Masked(denial) => return self.mask(*denial),
            Piece::Unchanged => {}
            Piece::Replaced { bytes, is_cut, closes } => {
                if closes {
                    host::close_response();
                }
                if host::set_buffer(Buffer::ResponseBody, &bytes).is_err() {
                    log::error!("a piece of an answer could not be changed");
                }
                if is_cut {
                    // Should the provider say nothing more, there is no other occasion to close the stream.
                    self.vm.closing.add(self.context_id, host::now());
                }
            }
        }
        Action::Continue
    }

    /// Tells a page's browser what it may see of an answer.
    pub(crate) fn tell_browser(&self, head: &RequestHead) {
        let Some(visitor) = &self.context.visitor else { return };
        for (name, value) in visitor.headers(head) {
            let _ = AnswerHeaders.set(name, value.as_bytes());
        }
    }

    /// Answers in place of a provider, of which the answer would mislead the client. The request stays admitted:
    /// it was sent, and is settled as any other.
    pub(crate) fn mask(&mut self, denial: Denial) -> Action {
        let dialect = self.context.endpoint.map_or(Dialect::OpenAi, Endpoint::dialect);
        let reply = denial.reply(dialect, self.context.client, &self.context.request_id, host::now());
        let details = ["farebox_masked_", denial.reason()].concat();
        self.reply(reply, &details)
    }
}

/// The bytes of the answer's body from `start` on.
pub(crate) fn bytes(start: usize, size: usize) -> Vec<u8> {
    match size.saturating_sub(start) {
        0 => Vec::new(),
        length => host::buffer(Buffer::ResponseBody, start, length).unwrap_or_default(),
    }
}

/// Whether the answer comes from a provider. Envoy's own answers pass the filter too.
pub(crate) fn is_via_upstream() -> bool {
    host::property("response\0code_details").is_ok_and(|details| details == b"via_upstream")
}
