//! Carries calls and answers, or loses, cuts, repeats and delays them.

use super::*;

impl World {
    pub(super) fn delay(&mut self) -> u64 {
        match (self.style.lossy && self.style.late && !self.is_calm, self.dice.below(5)) {
            (false, _) | (true, 0..2) => 1 + self.dice.below(3),
            (true, 2..4) => 1 + self.dice.below(400),
            (true, _) => 1 + self.dice.below(3_000),
        }
    }

    pub(super) fn send(&mut self, vm: usize, calls: Vec<Call>) {
        for Call { id, bytes, timeout_ms, .. } in calls {
            self.tally.calls += 1;
            self.tally.bytes += bytes.len() as u64;
            self.after(timeout_ms, Event::TimesOut { vm, id });
            let is_bad = self.style.lossy && !self.is_calm;
            if is_bad && self.dice.below(10) == 0 {
                self.tally.lost_calls += 1;
                continue;
            }
            let copies = if is_bad && self.dice.below(12) == 0 { 2 } else { 1 };
            for _ in 0..copies {
                let delay = self.delay();
                self.after(delay, Event::Arrives { vm, id, bytes: bytes.clone() });
            }
        }
    }

    pub(super) fn arrives(&mut self, vm: usize, id: u64, bytes: Vec<u8>) {
        if self.now < self.stopped_until {
            self.backlog.push(Event::Arrives { vm, id, bytes });
            return;
        }
        self.server.set_time(self.now);
        let mut reply = self.server.call(&bytes);
        self.tally.bytes += reply.len() as u64;
        let is_bad = self.style.lossy && !self.is_calm;
        if is_bad && self.dice.below(10) == 0 {
            return;
        }
        if is_bad && self.dice.below(12) == 0 {
            reply.truncate(self.dice.below(reply.len() as u64) as usize);
        }
        let delay = self.delay();
        self.after(delay, Event::Answer { vm, id, bytes: reply });
    }

    pub(super) fn answer(&mut self, vm: usize, id: u64, bytes: Option<&[u8]>) {
        if self.vms[vm].alive {
            self.vms[vm].fleet.answered(id, bytes, self.clock(vm));
            self.go_on(vm);
        }
    }
}
