//! Has servers and processes fail, and notes what only they knew.

use super::*;

impl World {
    pub(super) fn server_fault(&mut self) {
        if self.now >= self.ends_at {
            return;
        }
        let next = 4_000 + self.dice.below(5_000);
        self.after(next, Event::ServerFault);
        match self.style.fault {
            Some(ServerFault::Stops) => {
                let for_ms = [400, 2_000, 4 * EPOCH_MS, 8 * EPOCH_MS][self.dice.below(4) as usize];
                self.stopped_until = self.now + for_ms;
                // The kernel took what came meanwhile.
                self.count += 1;
                for event in core::mem::take(&mut self.backlog) {
                    self.after(1, event);
                }
                self.after(for_ms + 1, Event::Snapshot);
            }
            Some(ServerFault::IsEmptied) => self.lose(Server::empty),
            Some(ServerFault::FailsOver) => {
                let last = self.saved.last().unwrap().clone();
                self.lose(|server| server.restore(&last));
            }
            Some(ServerFault::IsRestored) => {
                let back = 1 + [3, 8][self.dice.below(2) as usize].min(self.saved.len() - 1);
                let older = self.saved[self.saved.len() - back].clone();
                self.lose(|server| server.restore(&older));
            }
            None => {}
        }
    }

    /// What is in doubt at this moment may be counted twice, and what only the dead had said is gone.
    pub(super) fn lose(&mut self, how: impl FnOnce(&mut Server)) {
        how(&mut self.server);
        for vm in self.vms.iter().filter(|vm| vm.alive) {
            for part in vm.fleet.parts() {
                let account = self.account_of(&part.key);
                let truth = self.truth.entry((account, part.window)).or_default();
                truth.twice = truth.twice.plus(part.charged.minus(part.acknowledged));
                truth.allowance = truth.allowance.plus(part.charged.minus(part.acknowledged));
                truth.is_past_loss = true;
            }
        }
    }

    pub(super) fn account_of(&self, key: &str) -> usize {
        usize::from(key.contains("{a1}"))
    }

    pub(super) fn crash(&mut self) {
        if self.now >= self.ends_at {
            return;
        }
        let next = 2_500 + self.dice.below(5_000);
        self.after(next, Event::Crash);
        let mut alive: Vec<usize> = self.vms.iter().filter(|vm| vm.alive).map(|vm| vm.envoy).collect();
        alive.dedup();
        if alive.len() < 2 {
            return;
        }
        let envoy = alive[self.dice.below(alive.len() as u64) as usize];
        for vm in 0..self.vms.len() {
            if self.vms[vm].envoy == envoy && self.vms[vm].alive {
                self.vms[vm].alive = false;
                self.bury(vm);
            }
        }
        let pause = [10, 1_000, 3 * EPOCH_MS][self.dice.below(3) as usize];
        self.after(pause, Event::Start { envoy });
    }

    /// What a dead VM had not said is missing; what ran in it has ended.
    pub(super) fn bury(&mut self, vm: usize) {
        for request in self.requests.iter_mut().filter(|request| request.vm == vm) {
            if request.state == State::Runs {
                let truth = self.truth.entry((request.account, request.window)).or_default();
                truth.covered = truth.covered.minus(request.hold);
                request.state = State::Gone;
            } else if request.state == State::Waits {
                request.state = State::Refused;
            }
        }
        for part in self.vms[vm].fleet.parts() {
            let account = self.account_of(&part.key);
            let forgives = self.style.forgives;
            let truth = self.truth.entry((account, part.window)).or_default();
            let unsaid = part.charged.minus(part.acknowledged);
            truth.missing = truth.missing.plus(unsaid);
            if forgives {
                truth.allowance = truth.allowance.plus(unsaid).plus(part.held);
            }
        }
    }

    /// A VM says nothing for a while, longer than its allotment lives or than it is remembered; its requests go on.
    pub(super) fn sleep(&mut self) {
        if self.now >= self.ends_at {
            return;
        }
        let next = 2_500 + self.dice.below(5_000);
        self.after(next, Event::Sleep);
        let vm = self.dice.below(self.vms.len() as u64) as usize;
        let for_ms = [300, 1_500, 3 * EPOCH_MS, 123 * EPOCH_MS][self.dice.below(4) as usize];
        self.vms[vm].sleeps_until = self.now + for_ms;
        if self.style.forgives {
            for part in self.vms[vm].fleet.parts() {
                let account = self.account_of(&part.key);
                let truth = self.truth.entry((account, part.window)).or_default();
                let used = part.charged.plus(part.held);
                truth.allowance = truth.allowance.plus(used.minus(part.acknowledged));
            }
        }
    }

    pub(super) fn push(&mut self) {
        if self.now >= self.ends_at {
            return;
        }
        self.after(3_000, Event::Push);
        let at = self.dice.below(2) as usize;
        let (_, last) = self.budgets[at].last().unwrap();
        let (times, parts) = [(1, 2), (4, 5), (1, 1), (5, 4), (2, 1)][self.dice.below(5) as usize];
        let scaled = |limit: u64| (limit / 1_000 * 1_000 * times / parts).max(1_000);
        let few = |limit: u64| (limit * times / parts).max(1);
        let limits = Limits {
            usd: last.limits.usd.map(|limit| PicoUsd(scaled(limit.0))),
            tokens: last.limits.tokens.map(few),
            input_tokens: None,
            output_tokens: last.limits.output_tokens.map(few),
            requests: last.limits.requests.map(few),
            concurrent: last.limits.concurrent.map(few),
        };
        let budget = Budget { scope: Scope::Fleet, ..Budget::new(&last.name, [], last.window, limits) };
        self.budgets[at].push((self.now, Rc::new(budget)));
    }
}
