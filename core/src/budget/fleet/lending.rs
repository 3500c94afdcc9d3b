//! Decides on a hold: whether what this VM was lent has room for it, and what else to do.
//!
//! ```text
//! ## a budget that only watches   => held, whatever there is
//! ## the ledger is out of reach   => as `on_outage` says: nothing, what was lent, or this worker's part of the limit
//! ## others wait for it           => asked for, behind them
//! ## there is room                => held
//! ## as much was just refused     => short
//! ## else                         => asked for
//! ```

use super::OnOutage;
use super::component::Component;
use super::share::{Part, Share};
use super::state::{Rest, Turn};
use crate::base::window::Millis;
use crate::budget::ledger::{Amounts, AtLimit, Limits, Measure, Mode, Room, Short};

/// The part of an epoch in which what is forgiven may be used after the last word of the ledger, in tenths.
const VALID_TENTHS: u64 = 8;
/// How long the last word of the ledger counts for a request that has given up, in milliseconds.
const HEARD_MS: u64 = 2_000;

impl Rest<'_> {
    /// The component of the present window of `share`.
    pub(super) fn current<'s>(&mut self, share: &'s mut Share, now: Millis) -> Option<&'s mut Component> {
        share.current(self.link.time(now), self.number, now)
    }

    /// Holds `amounts`, says that there is no room, or that the ledger has to be asked.
    pub(super) fn hold(&mut self, share: &mut Share, amounts: Amounts, turn: Turn, now: Millis) -> Room {
        if turn == Turn::First {
            share.came(amounts, now);
        }
        let limits = share.limits(Part::Window(0));
        let Some(window) = self.current(share, now).map(|window| window.from) else { return Room::NoSlot };
        if share.account.budget.at_limit == AtLimit::Shadow {
            let short = share.short(amounts).map(|short| short.measure);
            return self.take(share, amounts, short, now);
        }
        if share.is_crowded(now) {
            return Room::NoSlot;
        }
        let gave_up = turn == Turn::GaveUp;
        // Who waited in vain for others to give back what they do not need finds no room: what they hold is known. Who waited
        // for a ledger that says nothing, or that grants nothing for now, does not know, and neither does anybody else where
        // the limit is far.
        let is_heard =
            self.link.grants(now) && share.windows.iter().any(|part| part.was_heard(HEARD_MS, now));
        if gave_up && is_heard && !self.has_room(share, window, &limits, amounts, now) {
            return share.short(amounts).map_or(Room::OutOfReach, Room::Short);
        }
        let is_out = self.link.is_out_of_reach(now) || share.unreadable || gave_up;
        if is_out && self.settings.on_outage == OnOutage::Deny {
            return Room::OutOfReach;
        }
        let queues = turn == Turn::First && share.waiting > 0 && !is_out;
        if !queues && self.has_room(share, window, &limits, amounts, now) {
            return self.take(share, amounts, None, now);
        }
        if share.was_refused(amounts, now) {
            return Room::Short(share.short_as_refused(amounts));
        }
        // A budget that only checks asks for nothing: what it was told just now is all that there is to know.
        let is_told = turn == Turn::Answered
            || share.part(Part::Window(window)).is_some_and(|part| part.was_heard(HEARD_MS, now));
        if share.account.budget.mode == Mode::Check
            && is_told
            && let Some(short) = share.short(amounts)
        {
            return Room::Short(short);
        }
        if !is_out {
            return Room::Ask;
        }
        if self.settings.on_outage == OnOutage::Allotment {
            return Room::OutOfReach;
        }
        // By its own count alone, up to this worker's part of the limit.
        match self.short_alone(share, amounts) {
            Some(short) => Room::Short(short),
            None => self.take(share, amounts, None, now),
        }
    }

    /// Whether what this VM was lent has room for `amounts`.
    fn has_room(
        &self,
        share: &mut Share,
        window: u64,
        limits: &Limits,
        amounts: Amounts,
        now: Millis,
    ) -> bool {
        let settings = self.settings;
        // What is charged when this VM falls silent is its own; what is forgiven is not any longer.
        let valid_ms = settings.epoch_ms / 10 * VALID_TENTHS;
        let checks = share.account.budget.mode == Mode::Check;
        let counts = limits.any();
        if share.account.limits.concurrent.is_some() {
            let runs = Amounts { requests: amounts.requests, ..Amounts::default() };
            let lanes = share.limits(Part::Running);
            let has_lane = share
                .running
                .as_ref()
                .is_some_and(|part| part.was_heard(valid_ms, now) && part.short(&lanes, runs).is_none());
            if !has_lane {
                return false;
            }
        }
        let short = if checks { share.short(amounts) } else { None };
        let Some(part) = share.part(Part::Window(window)) else { return false };
        if !counts {
            return true;
        }
        if checks {
            return part.is_known() && short.is_none();
        }
        (!settings.forgives || part.was_heard(valid_ms, now)) && part.short(limits, amounts).is_none()
    }

    /// Which components of `share` have to be asked for `amounts`, and for how much.
    pub(super) fn parts_to_ask(
        &mut self,
        share: &mut Share,
        amounts: Amounts,
        now: Millis,
    ) -> Vec<(Part, Amounts)> {
        let Some(from) = self.current(share, now).map(|window| window.from) else { return Vec::new() };
        let (limits, lanes) = (share.limits(Part::Window(from)), share.limits(Part::Running));
        let checks = share.account.budget.mode == Mode::Check;
        let mut parts = Vec::with_capacity(2);
        if lanes.any() {
            share.lanes(self.number, now);
            parts.push((Part::Running, Amounts { requests: amounts.requests, ..Amounts::default() }));
        }
        // Who asks for nothing wants to know what there is.
        if limits.any() || amounts == Amounts::default() {
            parts.push((Part::Window(from), if checks { Amounts::default() } else { amounts }));
        }
        parts
    }

    /// Holds `amounts`, whether there is room or not.
    fn take(&mut self, share: &mut Share, amounts: Amounts, short: Option<Measure>, now: Millis) -> Room {
        if share.account.limits.concurrent.is_some() {
            share.lanes(self.number, now);
        }
        share.begin(amounts.requests);
        let Some(window) = share.windows.last_mut() else { return Room::NoSlot };
        window.held = window.held.plus(amounts);
        Room::Held { epoch: window.from, percent: share.percent(), short }
    }

    /// What this worker's part of the limits lacks for `amounts`, by its own count.
    fn short_alone(&self, share: &Share, amounts: Amounts) -> Option<Short> {
        let own = share.windows.last().map_or_else(Amounts::default, Component::used);
        let running = share.running.as_ref().map_or(0, |running| running.held.requests);
        let limits = share.account.limits.parted(self.workers);
        let measure = limits.exceeded(own.plus(amounts), running.saturating_add(amounts.requests))?;
        Some(Short { measure, ..share.short_as_refused(amounts) })
    }
}
