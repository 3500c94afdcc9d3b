//! Decides when a request that is refused by its headers is told so: when its body is here, if that is short.
//!
//! An answer that is complete before its HTTP/1.1 request is makes Envoy close the connection, because what still
//! comes on it cannot be told from the next request. A client that shares its connections would lose one
//! with every refusal, and making a new one costs both sides more than the refusal.
//!
//! A long body, and one of unknown length, is not waited for.

use std::rc::Rc;

use farebox_core::denial::Denial;
use proxy_wasm::types::Action;

use crate::gateway::Gateway;
use crate::gateway::state::State;
use crate::vm::{GivenUp, Waiting};

/// The longest body that is waited for. Less than Envoy holds of headers, so it gives a stranger no more room.
const BODY_BYTES: u64 = 16 * 1024;

/// A request that is refused, but not yet told so.
#[derive(Debug)]
pub(crate) struct Refusing {
    pub(crate) denial: Denial,
    pub(crate) waiting: Rc<Waiting>,
}

impl Gateway {
    /// Refuses a request of which the headers are here; `bodiless`: and nothing else comes.
    pub(crate) fn refuse(&mut self, denial: Denial, bodiless: bool) -> Action {
        let is_short = self.context.length.is_some_and(|length| length <= BODY_BYTES);
        let at_once = matches!(denial, Denial::HostUnsupported | Denial::TooLarge(_));
        let waits = !bodiless && is_short && !at_once;
        let Some(config) = self.config.as_ref().filter(|config| waits && config.headers_only.is_none())
        else {
            return self.deny(denial);
        };
        let dialect = self.dialect();
        let waiting = self.vm.wait(
            self.context_id,
            config,
            dialect,
            &self.context.request_id,
            self.context.key.is_some(),
            self.context.arrived,
        );
        self.state = State::Refusing(Refusing { denial, waiting });
        Action::Pause
    }

    /// What a request that was given up while it waited comes to, when more of it arrives.
    pub(crate) fn too_late(&mut self) -> Option<Action> {
        let waiting = match &self.state {
            State::Reading(reading) => &reading.waiting,
            State::Refusing(refusing) => &refusing.waiting,
            State::New | State::Admitted(_) | State::Replied(_) | State::Ended => return None,
        };
        let GivenUp { denial, told } = waiting.given_up.take()?;
        if !told {
            return Some(self.deny(denial));
        }
        self.state = State::Replied(Some(denial));
        Some(Action::Pause)
    }

    /// The same when `size` bytes of its body are here.
    pub(crate) fn refuse_at_last(&mut self, size: usize, complete: bool) -> Action {
        self.vm.body_seen.set(true);
        if !complete && size as u64 <= BODY_BYTES {
            return Action::Pause;
        }
        match core::mem::replace(&mut self.state, State::Ended) {
            State::Refusing(refusing) => self.deny(refusing.denial),
            other => {
                self.state = other;
                Action::Pause
            }
        }
    }
}
