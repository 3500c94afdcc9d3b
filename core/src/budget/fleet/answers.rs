//! Decides what an answer of the ledger changes, or that there is none: components are told, and requests may go on.
//!
//! An answer that does not come says nothing: what was sent may have been applied or not. Only an error that is known to
//! come before the first write says that it was not.

use super::component::Heard;
use super::exchange::{self, Answer, Exchanged, More, Status};
use super::failure::Failure;
use super::in_flight::{InFlight, Notice, Sent};
use super::state::{FleetLedger, State};
use super::waiter::AskState;
use crate::base::window::Millis;
use crate::budget::ledger::Amounts;

impl FleetLedger {
    /// The call `id` was answered with these bytes, or came to nothing.
    pub fn answered(&self, id: u64, reply: Option<&[u8]>, now: Millis) {
        let mut state = self.0.borrow_mut();
        let Some(at) = state.in_flight.iter().position(|call| call.id == id) else { return };
        let call = state.in_flight.swap_remove(at);
        let outcome = reply.ok_or(Failure::Unknown(String::new())).and_then(exchange::reply);
        match outcome {
            Ok(exchanged) => state.hear(&call, &exchanged, now),
            Err(failure) => state.fail(&call, failure, now),
        }
    }
}

impl State {
    fn hear(&mut self, call: &InFlight, exchanged: &Exchanged, now: Millis) {
        let Exchanged { head, answers } = exchanged;
        let Some((_, link)) = self.links.get_mut(call.link) else { return };
        if link.answered(head, now) {
            self.notices.push(Notice::Lost);
            // Everything is said again at the next tick.
            self.last_round = Millis(0);
            let shares = self.shares.values_mut().filter(|share| share.link == call.link);
            shares.for_each(|share| share.check());
        }
        for (at, sent) in call.sent.iter().enumerate() {
            match answers.get(at) {
                Some(answer) => self.told(call.id, sent, answer, now),
                // The answer was cut.
                None => self.untold(call, sent, now, now),
            }
        }
    }

    fn told(&mut self, call: u64, sent: &Sent, answer: &Answer, now: Millis) {
        let Some(settings) = self.settings.clone() else { return };
        let Some(share) = self.shares.get_mut(&*sent.share) else { return };
        let Some(component) = share.part(sent.part).filter(|part| part.number == sent.number) else { return };
        if sent.asks {
            component.asking = false;
        }
        let heard = component.hear(sent.sequence, answer, settings.epoch_ms, now);
        if heard == Heard::Anew {
            self.number += 1;
            component.begin_anew(self.number, settings.forgives);
        }
        match answer.status {
            Status::NotAnAccount if !share.unreadable => {
                share.unreadable = true;
                self.notices.push(Notice::NotAnAccount(share.key(&settings, sent.part)));
            }
            Status::TooMany => share.crowd(now),
            Status::Done | Status::Repeated => (share.tight, share.unreadable) = (answer.tight, false),
            Status::NotAnAccount | Status::Stale | Status::Lost => {}
        }
        if sent.asks {
            self.settle_asks(call, sent, answer, heard, now);
        }
    }

    /// What an answer means for the requests that asked.
    fn settle_asks(&mut self, call: u64, sent: &Sent, answer: &Answer, heard: Heard, now: Millis) {
        let Self { shares, waiting, settings, .. } = self;
        let interval_ms = settings.as_ref().map_or(0, |settings| settings.interval_ms);
        let Some(share) = shares.get_mut(&*sent.share) else { return };
        let limits = share.limits(sent.part);
        let is_final = matches!(answer.status, Status::NotAnAccount | Status::TooMany);
        let mut before = Amounts::default();
        for ask in waiting.iter_mut().flat_map(|waiter| &mut waiter.asks) {
            if ask.state != AskState::Sent(call) || ask.share != sent.share || ask.part != sent.part {
                continue;
            }
            let with_it = before.plus(ask.amounts);
            let fits = share.part(sent.part).is_some_and(|part| part.short(&limits, with_it).is_none());
            ask.state = if is_final {
                AskState::Answered
            } else if heard != Heard::Told {
                AskState::Waits(now)
            } else if fits {
                before = with_it;
                AskState::Answered
            } else {
                match answer.more {
                    More::Refused => {
                        share.refuse(ask.amounts, now);
                        self.refused_until = share.refused_until().max(self.refused_until);
                        AskState::Answered
                    }
                    More::NotInWindow => AskState::Answered,
                    More::Later => AskState::Waits(now.plus(interval_ms)),
                    More::All => AskState::Waits(now),
                }
            };
        }
    }

    fn fail(&mut self, call: &InFlight, failure: Failure, now: Millis) {
        let longest_ms = self.settings.as_ref().map_or(0, |settings| settings.interval_ms);
        let networks = self.settings.as_ref().map(|settings| settings.networks.clone()).unwrap_or_default();
        let Some((_, link)) = self.links.get_mut(call.link) else { return };
        let not_applied = failure.applied_nothing();
        let again = match &failure {
            Failure::NoScript => !core::mem::replace(&mut link.loads, true),
            Failure::Moved(address) if networks.iter().any(|network| network.has(address)) => {
                link.shard = Some(address.as_str().into());
                // Nodes that name each other are not asked in a circle.
                call.shard.is_none()
            }
            other => {
                // A node that does not serve may not be the one any more: the next call asks any.
                if link.shard == call.shard {
                    link.shard = None;
                }
                link.one_by_one |= matches!(other, Failure::Unknown(why) if !why.is_empty());
                false
            }
        };
        if !again {
            link.why = failure.to_string();
            link.failed(longest_ms, now);
        }
        let next = if again { now } else { link.next_call() };
        for sent in &call.sent {
            if not_applied
                && let Some(share) = self.shares.get_mut(&*sent.share)
                && let Some(component) = share.part(sent.part).filter(|part| part.number == sent.number)
            {
                component.refused(sent.sequence);
            }
            self.untold(call, sent, next, now);
        }
    }

    /// Nothing was heard of what was sent: it is asked again at `next`.
    fn untold(&mut self, call: &InFlight, sent: &Sent, next: Millis, _: Millis) {
        if !sent.asks {
            return;
        }
        if let Some(share) = self.shares.get_mut(&*sent.share)
            && let Some(component) = share.part(sent.part).filter(|part| part.number == sent.number)
        {
            component.asking = false;
        }
        for ask in self.waiting.iter_mut().flat_map(|waiter| &mut waiter.asks) {
            if ask.state == AskState::Sent(call.id) && ask.share == sent.share && ask.part == sent.part {
                ask.state = AskState::Waits(next);
            }
        }
    }
}
