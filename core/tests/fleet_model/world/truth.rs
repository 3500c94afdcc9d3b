//! Checks what must be true at each admission and in the end.

use super::*;

impl World {
    /// The largest limit that a grant may have been made under.
    pub(super) fn most(&self, account: usize) -> Limits {
        let largest = |of: &dyn Fn(&Limits) -> Option<u64>| {
            self.budgets[account].iter().filter_map(|(_, budget)| of(&budget.limits)).max()
        };
        Limits {
            usd: largest(&|limits| limits.usd.map(|usd| usd.0)).map(PicoUsd),
            tokens: largest(&|limits| limits.tokens),
            input_tokens: None,
            output_tokens: largest(&|limits| limits.output_tokens),
            requests: largest(&|limits| limits.requests),
            concurrent: None,
        }
    }

    pub(super) fn check_limit(&mut self, key: (usize, u64)) {
        let truth = &self.truth[&key];
        // Each component's sum is rounded down to nano-dollars.
        let rounded = Amounts { usd: usd(50), ..Amounts::default() };
        let used = truth.covered.minus(truth.allowance).minus(rounded);
        let exceeded = self.most(key.0).exceeded(used, 0);
        assert_eq!(
            exceeded,
            None,
            "{}: {key:?} has {:?} of {:?}",
            self.style.name,
            truth.covered,
            self.most(key.0)
        );
        if let Some(most) =
            self.budgets[key.0].iter().filter_map(|(_, budget)| budget.limits.concurrent).max()
        {
            let running = |request: &&Request| request.state == State::Runs && request.account == key.0;
            let running = self.requests.iter().filter(running).count() as u64;
            assert!(running <= most, "{}: {running} run of {most}", self.style.name);
        }
    }

    /// Each charge is in the sum once.
    pub(super) fn check_sums(&mut self) {
        if self.style.lanes {
            return;
        }
        for (&(account, window), truth) in &self.truth {
            let key = format!("farebox:{{a{account}}}:org/:{window}");
            let Some(stored) = self.server.account(&key) else {
                assert!(self.style.windows || truth.charged.within(truth.missing), "{key} is forgotten");
                continue;
            };
            let said = stored.spent.amounts();
            let real = said.minus(stored.charged_for_silent.amounts());
            // The sums of components are rounded down to nano-dollars.
            let slack = Amounts { usd: usd(50), ..Amounts::default() };
            let least = truth.charged.minus(truth.missing).minus(slack);
            if !(truth.is_past_loss && self.style.windows) {
                assert!(
                    least.within(said),
                    "{}: {key}: a charge was lost: {said:?} of {:?}",
                    self.style.name,
                    truth.charged
                );
            }
            let most = truth.charged.plus(truth.twice);
            assert!(
                real.within(most),
                "{}: {key}: a charge was counted twice: {real:?} of {most:?}",
                self.style.name
            );
        }
    }

    /// Nothing stays allotted after everybody was silent.
    pub(super) fn check_nothing_is_kept(&mut self) {
        for _ in 0..4 {
            for account in 0..2 {
                self.probe(account);
            }
            self.until(self.now + EPOCH_MS + 10);
        }
        for account in 0..2 {
            let window = self.budgets[account][0].1.window.begins_at(Millis(self.now)).0;
            let part = if self.style.lanes { "running".to_owned() } else { window.to_string() };
            if let Some(stored) = self.server.account(&format!("farebox:{{a{account}}}:org/:{part}")) {
                let kept = stored.allotted.amounts().plus(stored.allotted_before.amounts());
                assert_eq!(kept, Amounts::default(), "{}: a{account} keeps an allotment", self.style.name);
            }
        }
    }

    /// Somebody new asks for nothing, so that epochs go on.
    pub(super) fn probe(&mut self, account: usize) {
        let alive = self.vms.iter().position(|vm| vm.alive).unwrap();
        let own = self.account(account, alive);
        let now = Millis(self.now);
        self.instances += 1;
        let fleet = FleetLedger::new(format!("p{}", self.instances));
        fleet.configure(&Rc::new(Settings { epoch_ms: EPOCH_MS, ..Settings::default() }));
        fleet.wait(0, &[(Rc::new(own), Amounts::default())], now, now);
        for call in fleet.wake(now) {
            self.server.set_time(self.now);
            self.server.call(&call.bytes);
        }
    }

    /// When all is quiet a request gets in if it fits, and only then.
    pub(super) fn check_who_fits(&mut self) {
        for account in 0..2 {
            let alive: Vec<usize> = (0..self.vms.len()).filter(|&vm| self.vms[vm].alive).take(2).collect();
            for vm in alive {
                let window = self.budgets[account][0].1.window.begins_at(Millis(self.now)).0;
                let stored = self.server.account(&format!("farebox:{{a{account}}}:org/:{window}"));
                let spent = stored.map_or_else(Amounts::default, |stored| stored.spent.amounts());
                let hold = Amounts { usd: usd(1), input: 1, output: 1, requests: 1 };
                let limits = Limits { concurrent: None, ..self.account(account, vm).limits };
                let fits = limits.exceeded(spent.plus(hold), 0).is_none();
                let request = Request {
                    account,
                    hold,
                    charge: Amounts::default(),
                    lasts: 10,
                    vm,
                    window: 0,
                    state: State::Waits,
                };
                self.requests.push(request);
                let at = self.requests.len() - 1;
                self.decide(at, Turn::First, self.clock(vm));
                self.wake(vm);
                self.until(self.now + 3_000);
                let got_in = matches!(self.requests[at].state, State::Runs | State::Done);
                let now = self.budgets[account][0].1.window.begins_at(Millis(self.now)).0;
                if now == window {
                    assert_eq!(got_in, fits, "{}: a{account} has {spent:?} of {limits:?}", self.style.name);
                }
            }
        }
    }
}
