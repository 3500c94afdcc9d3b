//! Decides what one VM remembers of the budgets of a fleet.

use core::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::Settings;
use super::in_flight::{InFlight, Notice};
use super::link::Link;
use super::share::Share;
use super::share_id::{ShareId, id_of};
use super::waiter::Waiter;
use crate::base::hash::HashMap;
use crate::base::window::Millis;
use crate::budget::ledger::Account;

/// What a request has waited for already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it has just come.
    #[default]
    First,
    /// The ledger has answered for it.
    Answered,
    /// It has waited for as long as it may.
    GaveUp,
}

/// One VM's part of the budgets of a fleet.
#[derive(Debug, Default)]
pub struct FleetLedger(pub(super) RefCell<State>);

/// See [`FleetLedger`].
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) settings: Option<Rc<Settings>>,
    /// Tells this VM from all others, for ever.
    pub(super) instance: String,
    /// Workers of this process that call the ledger.
    pub(super) workers: u64,
    /// The last number of a component.
    pub(super) number: u64,
    pub(super) shares: HashMap<Rc<ShareId>, Share>,
    /// One for the whole ledger, or one for each budget where it is sharded.
    pub(super) links: Vec<(Box<str>, Link)>,
    pub(super) waiting: VecDeque<Waiter>,
    pub(super) in_flight: Vec<InFlight>,
    pub(super) last_call_id: u64,
    pub(super) last_round: Millis,
    pub(super) notices: Vec<Notice>,
    /// Until when some refusal is remembered.
    pub(super) refused_until: Millis,
}

/// What a rule needs besides the share that it is for.
pub(super) struct Rest<'a> {
    pub(super) settings: &'a Settings,
    pub(super) link: &'a Link,
    pub(super) number: &'a mut u64,
    pub(super) workers: u64,
}

/// Subjects that callers name of which a VM remembers something, at most. From half of that on it remembers none that
/// hold nothing.
const SUBJECTS: usize = 65_536;

impl State {
    /// Whether there are so many shares that what holds nothing is forgotten.
    pub(super) fn is_crowded(&self) -> bool {
        self.shares.len() > SUBJECTS / 2
    }

    /// Whether there is no place for `account`, of which nothing is remembered: callers make up as many as they like.
    pub(super) fn has_no_place(&self, account: &Account) -> bool {
        self.shares.len() >= SUBJECTS && account.is_in_slot() && !self.shares.contains_key(&id_of(account))
    }

    /// The share of `account`, if it is of the present window.
    pub(super) fn present(&self, account: &Account, now: Millis) -> Option<&Share> {
        let share = self.shares.get(&id_of(account))?;
        let time = self.links.get(share.link).map_or(now, |(_, link)| link.time(now));
        share.windows.last().filter(|last| last.is_current(time)).map(|_| share)
    }

    /// Applies `rule` to the share of `account`, which is made if it is not there.
    pub(super) fn with<T>(
        &mut self,
        account: &Account,
        now: Millis,
        rule: impl FnOnce(&mut Share, &mut Rest<'_>) -> T,
    ) -> T {
        let Self { settings, shares, links, number, workers, .. } = self;
        let settings = settings.get_or_insert_default();
        let id = id_of(account);
        let share = match shares.get_mut(&id) {
            Some(share) => share,
            None => {
                let link = link_of(links, settings, account);
                let id = Rc::new(ShareId { record: account.record.clone(), tag: account.tag });
                let share = Share::new(Rc::clone(&id), account, link, now);
                shares.entry(id).or_insert(share)
            }
        };
        let unknown = Link::default();
        let link = links.get(share.link).map_or(&unknown, |(_, link)| link);
        rule(share, &mut Rest { settings, link, number, workers: *workers })
    }
}

/// Which link has the ledger of `account`.
fn link_of(links: &mut Vec<(Box<str>, Link)>, settings: &Settings, account: &Account) -> usize {
    let shard = if settings.is_sharded { &*account.budget.name } else { "" };
    if let Some(at) = links.iter().position(|(name, _)| **name == *shard) {
        return at;
    }
    links.push((shard.into(), Link::default()));
    links.len() - 1
}
