//! Lets requests come, wait, run and end.

use super::*;

impl World {
    pub(super) fn request(&mut self) {
        let awake = |vm: &Vm| vm.alive && vm.sleeps_until <= self.now;
        let alive: Vec<usize> = (0..self.vms.len()).filter(|&vm| awake(&self.vms[vm])).collect();
        if alive.is_empty() {
            return;
        }
        let vm = alive[self.dice.below(alive.len() as u64) as usize];
        let (input, output) = (1 + self.dice.below(40), 1 + self.dice.below(60));
        let pico = (input * 3 + output * 11) * 1_000 - self.dice.below(1_000);
        let hold = Amounts { usd: PicoUsd(pico), input, output, requests: 1 };
        let percent = match self.dice.below(10) {
            0..2 => 0,
            2..4 => 20,
            4..6 => 50,
            8 if self.style.exceeds => 100 + self.dice.below(200),
            _ => 100,
        };
        let part = |amount: u64| amount * percent / 100;
        let charge = Amounts {
            usd: PicoUsd(part(hold.usd.0)),
            input: part(input),
            output: part(output),
            requests: u64::from(percent > 0),
        };
        let lasts = [5, 50, 300, 1_000, 2_500][self.dice.below(5) as usize];
        let account = self.dice.below(2) as usize;
        self.requests.push(Request { account, hold, charge, lasts, vm, window: 0, state: State::Waits });
        self.decide(self.requests.len() - 1, Turn::First, self.clock(vm));
        self.wake(vm);
    }

    /// The account as the VM's configuration has it.
    pub(super) fn account(&self, account: usize, vm: usize) -> Account {
        let late = 400 * self.vms[vm].envoy as u64;
        let budget = self.budgets[account].iter().rev().find(|(at, _)| at + late <= self.now || *at == 0);
        Account::new(&budget.unwrap().1, "team", &[])
    }

    pub(super) fn decide(&mut self, at: usize, turn: Turn, since: Millis) {
        let (vm, amounts) = (self.requests[at].vm, self.requests[at].hold);
        let account = self.account(self.requests[at].account, vm);
        let now = self.clock(vm);
        let Vm { fleet, store, .. } = &self.vms[vm];
        let room = Ledger::new(store, EPOCH_MS).with_fleet(fleet, turn).hold(&account, amounts, now).unwrap();
        match room {
            Room::Held { epoch, .. } => {
                self.requests[at].window = epoch;
                self.requests[at].state = State::Runs;
                self.tally.admitted += 1;
                let lasts = self.requests[at].lasts;
                self.after(lasts, Event::End { request: at });
                let key = (self.requests[at].account, epoch);
                let truth = self.truth.entry(key).or_default();
                truth.covered = truth.covered.plus(amounts);
                self.check_limit(key);
            }
            Room::Ask => {
                self.tally.waited += u64::from(turn == Turn::First);
                fleet.wait(at as u32, &[(Rc::new(account), amounts)], since, now);
            }
            Room::Short(_) | Room::NoSlot => {
                self.requests[at].state = State::Refused;
                self.tally.refused += 1;
            }
            Room::OutOfReach => {
                self.requests[at].state = State::Refused;
                self.tally.out_of_reach += 1;
            }
        }
    }

    pub(super) fn end(&mut self, at: usize) {
        let Request { account, hold, charge, vm, window, state, .. } = self.requests[at];
        if state != State::Runs {
            return;
        }
        self.requests[at].state = State::Done;
        let now = self.clock(vm);
        let own = self.account(account, vm);
        let Vm { fleet, store, .. } = &self.vms[vm];
        let ledger = Ledger::new(store, EPOCH_MS).with_fleet(fleet, Turn::First);
        ledger.settle(&own, hold, window, charge, now).unwrap();
        let truth = self.truth.entry((account, window)).or_default();
        truth.covered = truth.covered.minus(hold).plus(charge.min(hold));
        truth.charged = truth.charged.plus(charge);
    }

    /// Lets requests go on that may, and asks for those that still wait.
    pub(super) fn go_on(&mut self, vm: usize) {
        let now = self.clock(vm);
        for ready in self.vms[vm].fleet.ready(now) {
            self.decide(ready.context as usize, ready.turn, ready.since);
        }
        self.wake(vm);
    }

    pub(super) fn wake(&mut self, vm: usize) {
        let now = self.clock(vm);
        let Vm { fleet, woken, .. } = &mut self.vms[vm];
        if !*woken && fleet.wants_to_ask(now) {
            *woken = true;
            self.after(0, Event::Wake { vm });
        }
    }
}
