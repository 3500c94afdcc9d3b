//! Decides what Envoy does when its memory is nearly full, and how much that may be.
//!
//! Envoy Gateway writes the like itself, from the memory that a container may have.

use super::open;
use super::sheet::Sheet;

/// How large Envoy's heap may be unless it is said: three quarters of the memory of a container that may have 1 GiB.
const HEAP_BYTES: u64 = 805_306_368;

/// How many bytes of heap there are for each MiB of a container: three quarters.
pub(super) const HEAP_OF_MIB: u64 = (1 << 20) / 4 * 3;

/// How much memory Envoy may have.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Memory {
    /// How large Envoy's heap may be; a container needs a third more
    #[arg(long, value_name = "BYTES", default_value_t = HEAP_BYTES)]
    #[arg(value_parser = clap::value_parser!(u64).range(134_217_728..=1_099_511_627_776))]
    max_heap_size_bytes: u64,
}

impl Default for Memory {
    fn default() -> Self {
        Self { max_heap_size_bytes: HEAP_BYTES }
    }
}

impl Memory {
    /// What a container may have, in MiB.
    pub(super) fn container_mib(self, sheet: &Sheet) -> String {
        if sheet.is_open {
            return open::part("memory");
        }
        (self.max_heap_size_bytes.div_ceil(3).saturating_mul(4) >> 20).to_string()
    }

    /// What is done about it; for an Envoy whose connections nobody else limits, with a limit of these.
    pub(super) fn manager(self, sheet: &mut Sheet, limits_connections: bool) -> String {
        let connections = if limits_connections { include_str!("connections.yaml") } else { "" };
        let connections = connections.strip_suffix('\n').unwrap_or_default();
        let heap = if sheet.is_open { open::part("heap") } else { self.max_heap_size_bytes.to_string() };
        sheet.put(include_str!("overload.yaml"), &[("heap", &heap), ("connections", connections)])
    }
}
