//! Tells a request that is refused by its headers so when its body is here, if that is worth waiting for: see
//! `exchange/waiting.rs` of the core.

use farebox_core::denial::Denial;
use farebox_core::exchange::waiting::{GivenUp, REFUSED_BYTES, Waiting, is_deferred};
use proxy_wasm::types::Action;

use super::state::{Gateway, Refusing, State};

impl Gateway {
    /// Refuses a request of which the headers are here; `bodiless`: and nothing else comes.
    pub(super) fn refuse(&mut self, denial: Denial, bodiless: bool) -> Action {
        let deferred = |config: &&_| is_deferred(&denial, &self.context, config, bodiless);
        let Some(config) = self.config.as_deref().filter(deferred) else { return self.deny(denial) };
        let waiting = Waiting::new(config, &self.context, self.dialect());
        let waiting = self.vm.wait(self.context_id, waiting);
        self.state = State::Refusing(Refusing { denial, waiting });
        Action::Pause
    }

    /// What a request that was given up while it waited comes to, when more of it arrives.
    pub(super) fn too_late(&mut self) -> Option<Action> {
        let waiting = match &self.state {
            State::Reading(reading) => &reading.waiting,
            State::Refusing(refusing) => &refusing.waiting,
            _ => return None,
        };
        let GivenUp { denial, told } = waiting.given_up.take()?;
        if !told {
            return Some(self.deny(denial));
        }
        self.state = State::Replied(Some(denial));
        Some(Action::Pause)
    }

    /// The same when `size` bytes of its body are here.
    pub(super) fn refuse_at_last(&mut self, size: usize, complete: bool) -> Action {
        self.vm.body_seen.set(true);
        if !complete && size as u64 <= REFUSED_BYTES {
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
