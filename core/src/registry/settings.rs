//! Decides how the registry is used by an Envoy.

/// How it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Milliseconds between two looks of one process at what changed.
    pub interval_ms: u64,
    /// What holds until it was read once.
    pub on_cold_start: OnColdStart,
}

/// What holds in a process that has never read the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnColdStart {
    /// Nobody is let in.
    Deny,
    /// What the configuration says. A key that it does not have may be one of the registry: it is told to come again.
    Configured,
}

impl OnColdStart {
    /// Each with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 2] = [("deny", Self::Deny), ("configured", Self::Configured)];
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { interval_ms: 1_000, on_cold_start: OnColdStart::Deny }
    }
}
