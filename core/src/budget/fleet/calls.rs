//! Decides when the ledger is called, and with what.
//!
//! ```text
//! ## wake    => what requests wait for, up to sixteen asks of an account in one exchange; the rest go with the next
//! ## tick    => what is owed, what is not needed, what is wished for; a heartbeat if there is nothing to say
//! ```
//!
//! An account has one exchange with asks on its way: what comes meanwhile waits for the next one and shares it. So a
//! herd is served in as many calls as it has sixteens.
//!
//! Does not know what an answer changes: see `answers.rs`.

use std::rc::Rc;

use super::Units;
use super::component::{Component, Said};
use super::exchange::{self, Header, Item};
use super::in_flight::{InFlight, Notice, Sent};
use super::share::{Part, Share};
use super::share_id::ShareId;
use super::state::{FleetLedger, State};
use super::waiter::AskState;
use crate::base::window::Millis;
use crate::budget::ledger::{AtLimit, Limits, Mode};

/// Asks of one component in an exchange.
const ASKS: usize = 16;
/// Components in an exchange.
const ITEMS: usize = 64;
/// Calls of one tick.
const CALLS: usize = 16;
/// How often what is idle and has something to spare is said, in milliseconds.
const IDLE_MS: u64 = 1_000;
/// Workers that share one interval; with more, each pushes once in so many intervals.
const SHARING: u64 = 4;
/// A tick may come this much too early, in milliseconds.
const EARLY_MS: u64 = 20;

/// A call of the ledger, to be made by the adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// To be given back with the answer.
    pub id: u64,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// The node that is to be called, if another one named it.
    pub shard: Option<Box<str>>,
    /// How long an answer is waited for, in milliseconds.
    pub timeout_ms: u64,
}

impl FleetLedger {
    /// What requests wait for and may be asked now.
    #[must_use]
    pub fn wake(&self, now: Millis) -> Vec<Call> {
        self.0.borrow_mut().wake(now)
    }

    /// Whether [`Self::wake`] would call.
    #[must_use]
    pub fn wants_to_ask(&self, now: Millis) -> bool {
        let state = self.0.borrow();
        let asks = state.waiting.iter().flat_map(|waiter| &waiter.asks);
        let mut due = asks.filter(|ask| matches!(ask.state, AskState::Waits(at) if at <= now));
        due.any(|ask| {
            state.shares.get(&*ask.share).is_some_and(|share| {
                !share.parts().any(|(part, component)| part == ask.part && component.asking)
            })
        })
    }

    /// What is due at a tick. To be called once in an interval.
    #[must_use]
    pub fn tick(&self, now: Millis) -> Vec<Call> {
        let mut state = self.0.borrow_mut();
        let mut calls = state.wake(now);
        state.look_after_links(now);
        if now.since(state.last_round) + EARLY_MS >= state.round_ms() {
            state.last_round = now;
            state.retire(now);
            calls.extend(state.round(now));
        }
        // Who has just been called need not be asked how it is.
        calls.extend(state.heartbeats(now));
        calls
    }

    /// What an operator wants to know and was not told yet.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        core::mem::take(&mut self.0.borrow_mut().notices)
    }
}

impl State {
    /// Milliseconds between two pushes of this worker.
    fn round_ms(&self) -> u64 {
        let interval_ms = self.settings.as_ref().map_or(u64::MAX, |settings| settings.interval_ms);
        interval_ms.saturating_mul(self.workers.min(SHARING))
    }

    fn wake(&mut self, now: Millis) -> Vec<Call> {
        // Two VMs of one name would be one client: each would lose what the other said. So who has none says nothing.
        if self.instance.is_empty() {
            return Vec::new();
        }
        let mut groups: Vec<Group> = Vec::new();
        for (at, waiter) in self.waiting.iter().enumerate() {
            for (of, ask) in waiter.asks.iter().enumerate() {
                if !matches!(ask.state, AskState::Waits(due) if due <= now) {
                    continue;
                }
                let is_it = |group: &&mut Group| group.share == ask.share && group.part == ask.part;
                match groups.iter_mut().find(is_it) {
                    Some(group) if group.asks.len() < ASKS => group.asks.push((at, of)),
                    Some(_) => {}
                    None => {
                        let share = Rc::clone(&ask.share);
                        groups.push(Group { share, part: ask.part, asks: vec![(at, of)] });
                    }
                }
            }
        }
        let mut by_link: Vec<Batch> = Vec::new();
        groups.truncate(ITEMS);
        for Group { share: id, part, asks } in groups {
            let Some(share) = self.shares.get(&*id) else { continue };
            let link = share.link;
            let may_call = self.links.get(link).is_some_and(|(_, link)| link.may_call(now));
            let is_asking = share.parts().any(|(own, component)| own == part && component.asking);
            if !may_call || is_asking {
                continue;
            }
            let amounts =
                asks.iter().filter_map(|&(at, of)| Some(self.waiting.get(at)?.asks.get(of)?.amounts));
            let amounts: Vec<Units> =
                amounts.filter(|amounts| *amounts != Default::default()).map(Units::ceil).collect();
            let Some((item, sent)) = self.item(&id, part, amounts, true, now) else { continue };
            let call_id = self.add(&mut by_link, link, item, sent);
            for (at, of) in asks {
                if let Some(ask) = self.waiting.get_mut(at).and_then(|waiter| waiter.asks.get_mut(of)) {
                    ask.state = AskState::Sent(call_id);
                }
            }
        }
        self.calls(by_link, now)
    }

    /// What is due of all that is remembered.
    fn round(&mut self, now: Millis) -> Vec<Call> {
        let Some(settings) = self.settings.clone().filter(|_| !self.instance.is_empty()) else {
            return Vec::new();
        };
        let mut due: Vec<(u64, Rc<ShareId>, Part, usize)> = Vec::new();
        let round_ms = self.round_ms();
        let is_due = |share: &Share, part: Part, component: &Component| {
            if component.asking {
                return false;
            }
            let wish = share.wish(part, round_ms, now);
            let wants = wish.units > 0 || !component.has_nothing_to_spare();
            let pause_ms = if share.is_busy(now) { 0 } else { IDLE_MS.saturating_sub(EARLY_MS) };
            component.must_push(settings.epoch_ms, now) || (wants && component.since_push(now) >= pause_ms)
        };
        for (id, share) in &self.shares {
            if !self.links.get(share.link).is_some_and(|(_, link)| link.may_call(now)) {
                continue;
            }
            let parts = share.parts().filter(|(part, component)| is_due(share, *part, component));
            let since = |component: &Component| component.since_push(now);
            due.extend(parts.map(|(part, component)| (since(component), Rc::clone(id), part, share.link)));
        }
        // What was not said for the longest comes first: there may be more than fits.
        due.sort_unstable_by_key(|(since, ..)| core::cmp::Reverse(*since));
        let mut by_link: Vec<Batch> = Vec::new();
        for (_, id, part, link) in due {
            if by_link.len() > CALLS {
                break;
            }
            if let Some((item, sent)) = self.item(&id, part, Vec::new(), false, now) {
                self.add(&mut by_link, link, item, sent);
            }
        }
        self.calls(by_link, now)
    }

    /// Asks ledgers that were not called for a while whether they lost something, as long as anything is remembered.
    fn heartbeats(&mut self, now: Millis) -> Vec<Call> {
        let Some(settings) = self.settings.clone().filter(|_| !self.instance.is_empty()) else {
            return Vec::new();
        };
        let mut by_link = Vec::new();
        for (at, (_, link)) in self.links.iter().enumerate() {
            let beats =
                link.last_call.is_none_or(|last| now.since(last) + EARLY_MS >= settings.heartbeat_ms());
            let remembers = self.shares.values().any(|share| share.link == at);
            if remembers && beats && link.may_call(now) {
                self.last_call_id += 1;
                by_link.push(Batch { id: self.last_call_id, link: at, items: Vec::new(), sent: Vec::new() });
            }
        }
        self.calls(by_link, now)
    }

    /// Puts an item into the batch of its link; says which call it is in.
    fn add(&mut self, batches: &mut Vec<Batch>, link: usize, item: Item, sent: Sent) -> u64 {
        let most = if self.links.get(link).is_some_and(|(_, link)| link.one_by_one) { 1 } else { ITEMS };
        let open = batches.iter_mut().rev().find(|batch| batch.link == link && batch.items.len() < most);
        let batch = match open {
            Some(batch) => batch,
            None => {
                self.last_call_id += 1;
                let batch = Batch { id: self.last_call_id, link, items: Vec::new(), sent: Vec::new() };
                batches.push_mut(batch)
            }
        };
        batch.items.push(item);
        batch.sent.push(sent);
        batch.id
    }

    /// One item of an exchange.
    fn item(
        &mut self,
        id: &Rc<ShareId>,
        part: Part,
        asks: Vec<Units>,
        is_ask: bool,
        now: Millis,
    ) -> Option<(Item, Sent)> {
        let settings = self.settings.clone()?;
        let round_ms = self.round_ms();
        let share = self.shares.get_mut(&**id)?;
        let time = self.links.get(share.link).map_or(now, |(_, link)| link.time(now));
        let watches = share.account.budget.at_limit == AtLimit::Shadow;
        let limits = if watches { Limits::default() } else { share.limits(part) };
        let wish = share.wish(part, round_ms, now);
        let checks = share.account.budget.mode == Mode::Check && part != Part::Running;
        let (key, bound) = (share.key(&settings, part), share.bound(time));
        let (till, tail) = share.ends(&settings, part);
        let component = share.part(part)?;
        component.asking |= is_ask;
        let Said { sequence, answered, charged, need, unit, wish, seed } = component.push(&wish, checks, now);
        let number = component.number;
        let item = Item {
            key,
            id: format!("{}.{number}", self.instance),
            sequence,
            answered,
            forgives: settings.forgives || part == Part::Running,
            from: component.from,
            till,
            tail,
            limits,
            charged,
            need,
            unit,
            wish,
            bound,
            asks,
            seed,
        };
        Some((item, Sent { share: Rc::clone(id), part, number, sequence, asks: is_ask }))
    }

    fn calls(&mut self, batches: Vec<Batch>, now: Millis) -> Vec<Call> {
        let Some(settings) = self.settings.clone() else { return Vec::new() };
        let recall_ms = IDLE_MS.saturating_add(self.round_ms());
        let mut calls = Vec::with_capacity(batches.len());
        for Batch { id, link: at, items, sent } in batches {
            let Some((shard, link)) = self.links.get_mut(at) else { continue };
            link.last_call = Some(now);
            let header = Header {
                revision: link.revision,
                epoch_ms: settings.epoch_ms,
                grace_ms: settings.grace_ms,
                recall_ms,
            };
            let mark = if shard.is_empty() {
                format!("{}:mark", settings.prefix)
            } else {
                format!("{}:{{{shard}}}:mark", settings.prefix)
            };
            let bytes = exchange::request(&settings.access, &header, &mark, &items, link.loads);
            let shard = link.shard.clone();
            self.in_flight.push(InFlight { id, link: at, shard: shard.clone(), sent });
            calls.push(Call { id, bytes, shard, timeout_ms: settings.timeout_ms() });
        }
        calls
    }

    fn look_after_links(&mut self, now: Millis) {
        for (_, link) in &mut self.links {
            match link.changed(now) {
                Some(true) => self.notices.push(Notice::OutOfReach(link.why.clone())),
                Some(false) => self.notices.push(Notice::Back),
                None => {}
            }
        }
    }

    /// Forgets what nobody needs any more.
    fn retire(&mut self, now: Millis) {
        let crowded = self.is_crowded();
        let Self { settings, shares, links, .. } = self;
        let Some(settings) = settings else { return };
        shares.retain(|_, share| {
            let time = links.get(share.link).map_or(now, |(_, link)| link.time(now));
            share.retire(time, settings.tail_ms, now);
            !share.is_forgotten(crowded, time, now)
        });
    }
}

/// What several requests ask of one component: which requests, and which of their asks.
struct Group {
    share: Rc<ShareId>,
    part: Part,
    asks: Vec<(usize, usize)>,
}

/// What goes in one call.
struct Batch {
    id: u64,
    link: usize,
    items: Vec<Item>,
    sent: Vec<Sent>,
}
