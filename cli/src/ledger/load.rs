//! Decides what a fleet asks of its ledger: commands and bytes in a second, and how much of a core that takes.
//!
//! The figures are those of one exchange: 135 bytes and 310 more for each account, 170 microseconds of the server's CPU and
//! 80 more for each account, a connection for each exchange included. Far from limits; what waits near one comes on top.
//!
//! The workers of an Envoy take turns, up to four: each calls once in as many intervals as there are workers. So it calls
//! once in an interval, whether one of them is busy or four, and more often with more.

/// Bytes of an exchange both ways, and of each account in it.
const BYTES: (u64, u64) = (135, 310);
/// Microseconds of the server's CPU for the same.
const MICROS: (u64, u64) = (170, 80);

/// Workers that share an interval.
const SHARING: u64 = 4;

/// What a fleet asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) commands: f64,
    pub(super) bytes: f64,
    /// Cores of the server.
    pub(super) cores: f64,
    /// The interval at which that is half a core, in milliseconds.
    pub(super) interval_ms: u64,
}

/// Of so many Envoys with so many busy workers, each of which uses so many accounts between two of its calls.
pub(super) fn of(envoys: u64, workers: u64, accounts: u64, interval_ms: u64) -> Load {
    let workers = workers.max(1);
    let calls = envoys.max(1) as f64 * workers as f64 / workers.min(SHARING) as f64;
    let each =
        |(exchange, account): (u64, u64)| exchange.saturating_add(account.saturating_mul(accounts)) as f64;
    let commands = calls * 1_000.0 / interval_ms.max(1) as f64;
    let micros = each(MICROS);
    Load {
        commands,
        bytes: commands * each(BYTES),
        cores: commands * micros / 1e6,
        interval_ms: (2.0 * calls * micros / 1_000.0).ceil() as u64,
    }
}

impl Load {
    /// As one line.
    pub(super) fn text(&self) -> String {
        let bytes = match self.bytes {
            bytes if bytes < 1e4 => format!("{bytes:.0} B/s"),
            bytes if bytes < 1e6 => format!("{:.0} KB/s", bytes / 1e3),
            bytes => format!("{:.1} MB/s", bytes / 1e6),
        };
        format!("{:.0} commands/s, {bytes}, {:.2} cores of the server", self.commands, self.cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_of_five_thousand_is_too_much_at_a_quarter_second_and_not_at_five() {
        let load = of(5_000, 1, 4, 250);
        assert_eq!(load.text(), "20000 commands/s, 27.5 MB/s, 9.80 cores of the server");
        assert_eq!(load.interval_ms, 4_900);
        assert!((of(5_000, 1, 4, 4_900).cores - 0.5).abs() < 1e-9);
        assert_eq!(of(1, 1, 1, 250).text(), "4 commands/s, 1780 B/s, 0.00 cores of the server");
    }

    #[test]
    fn workers_of_an_envoy_take_turns_up_to_four() {
        let commands = |workers| of(1, workers, 1, 250).commands;
        assert_eq!([1, 2, 4].map(commands), [4.0; 3]);
        assert_eq!([8, 16].map(commands), [8.0, 16.0], "each of them once a second");
    }
}
