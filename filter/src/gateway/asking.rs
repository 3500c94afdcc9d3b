//! Decides what a request does that waits for the fleet's ledger: it is held as it is, and decided anew when it goes on.
//!
//! Nothing of it is kept but its head: its body is where Envoy keeps it, and what follows from that is soon found again.

use farebox_core::base::window::Millis;
use farebox_core::budget::admit::NotAdmitted;
use farebox_core::budget::fleet::Turn;
use farebox_core::budget::hold::Asks;
use farebox_core::denial::Denial;
use proxy_wasm::types::Action;

use super::Gateway;
use super::state::{Asking, State};
use crate::fleet::Waits;
use farebox_hostcalls as host;

/// Why a request does not go on now.
#[derive(Debug)]
pub(crate) enum Stop {
    Denied(Denial),
    /// The fleet's ledger has to be asked for this.
    Asks(Asks),
}

impl Stop {
    /// What follows on a request that is not admitted now.
    pub(super) fn of(refused: NotAdmitted) -> Self {
        match refused {
            NotAdmitted::Denied(denial) => Self::Denied(denial),
            NotAdmitted::Waits(asks) => Self::Asks(asks),
        }
    }
}

impl<E: Into<Denial>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Denied(error.into())
    }
}

impl Gateway {
    /// Decides on a request that is here, unless it waits.
    pub(super) fn decide_or_ask(&mut self, mut asking: Asking, size: usize) -> Action {
        match self.decide(&asking, size) {
            Ok(exchange) => {
                self.state = State::Admitted(exchange);
                Action::Continue
            }
            Err(Stop::Denied(denial)) => self.deny(denial),
            Err(Stop::Asks(asks)) => {
                // How long it is is known when it first waits.
                let kept = if self.turn == Turn::First { asking.upload.keep(size as u64) } else { Ok(()) };
                match kept {
                    Ok(()) => self.ask(&asks, Some(asking)),
                    Err(denial) => self.deny(denial),
                }
            }
        }
    }

    /// Waits for the ledger. `None`: with its headers, of which the body is not read.
    pub(super) fn ask(&mut self, asks: &Asks, asking: Option<Asking>) -> Action {
        let now = host::now();
        let since = *self.asks_since.get_or_insert(now);
        self.vm.fleet.ask(self.context_id, asks, since, now);
        self.state = State::Asking(asking);
        Action::Pause
    }
}

impl Waits for Gateway {
    fn resume_from_ledger(&mut self, turn: Turn, since: Millis) -> bool {
        (self.turn, self.asks_since) = (turn, Some(since));
        let action = match core::mem::replace(&mut self.state, State::Ended) {
            State::Asking(Some(asking)) => {
                let limit = asking.call.config.request_body_bytes;
                self.decide_or_ask(asking, limit)
            }
            State::Asking(None) => self.head_complete(false),
            other => {
                self.state = other;
                Action::Pause
            }
        };
        if action == Action::Continue
            && let Err(error) = host::resume_request()
        {
            log::error!("a request that waited for the ledger could not go on: {error}");
        }
        matches!(self.state, State::Asking(_))
    }
}
