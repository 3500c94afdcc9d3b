//! What a callback cost: the numbers, and how they add up.

use std::collections::BTreeMap;

/// What one or several callbacks cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// WebAssembly operators that were executed; see `instrument.rs`.
    pub(crate) instructions: u64,
    /// Bytes that the module copied or filled within its own memory, by the operators for that.
    pub(crate) moved: u64,
    /// Calls of the module's allocator, whoever made them.
    pub(crate) allocations: u64,
    /// Those of them that the host made, to hand something over.
    pub(crate) handed_over: u64,
    /// What was asked of the host, by the name of the function.
    pub(crate) hostcalls: BTreeMap<&'static str, Crossings>,
}

/// Calls of one function of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crossings {
    pub(crate) calls: u64,
    /// Bytes from the host into the module.
    pub(crate) into: u64,
    /// Bytes from the module to the host.
    pub(crate) out: u64,
}

impl Tally {
    /// How often the host was called.
    pub(crate) fn calls(&self) -> u64 {
        self.hostcalls.values().map(|crossings| crossings.calls).sum()
    }

    /// Bytes from the host into the module.
    pub(crate) fn bytes_into(&self) -> u64 {
        self.hostcalls.values().map(|crossings| crossings.into).sum()
    }

    /// Bytes from the module to the host.
    pub(crate) fn bytes_out(&self) -> u64 {
        self.hostcalls.values().map(|crossings| crossings.out).sum()
    }

    /// Adds another tally to this one.
    pub(crate) fn add(&mut self, other: &Self) {
        self.instructions += other.instructions;
        self.moved += other.moved;
        self.allocations += other.allocations;
        self.handed_over += other.handed_over;
        for (name, crossings) in &other.hostcalls {
            let sum = self.hostcalls.entry(name).or_default();
            sum.calls += crossings.calls;
            sum.into += crossings.into;
            sum.out += crossings.out;
        }
    }
}
