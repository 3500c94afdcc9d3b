//! Decides what goes wrong in a storm.

/// What happens to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerFault {
    /// It stands still for a while, and goes on with what the kernel kept for it.
    Stops,
    /// It is emptied.
    IsEmptied,
    /// A replica takes its place that does not have the last second.
    FailsOver,
    /// An older state is loaded.
    IsRestored,
}

/// A storm.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) name: &'static str,
    pub(crate) envoys: usize,
    pub(crate) workers: usize,
    pub(crate) seconds: u64,
    /// Requests a second.
    pub(crate) rate: u64,
    /// Four hundred at once in the beginning.
    pub(crate) herd: bool,
    /// Calls and answers are lost, cut and repeated.
    pub(crate) lossy: bool,
    /// They take up to three seconds and overtake each other.
    pub(crate) late: bool,
    /// Some VMs say nothing for a while.
    pub(crate) sleepy: bool,
    /// Clocks differ by up to four seconds.
    pub(crate) skewed: bool,
    /// Budgets are for a minute.
    pub(crate) windows: bool,
    /// Limits change.
    pub(crate) pushes: bool,
    /// Processes die.
    pub(crate) crashes: bool,
    /// Some requests use more than they hold.
    pub(crate) exceeds: bool,
    pub(crate) forgives: bool,
    /// Requests that run are limited, and nothing else.
    pub(crate) lanes: bool,
    pub(crate) fault: Option<ServerFault>,
}

const CALM: Style = Style {
    name: "calm",
    envoys: 3,
    workers: 2,
    seconds: 25,
    rate: 60,
    herd: false,
    lossy: false,
    late: false,
    sleepy: false,
    skewed: false,
    windows: false,
    pushes: false,
    crashes: false,
    exceeds: false,
    forgives: false,
    lanes: false,
    fault: None,
};

pub(crate) const STYLES: [Style; 16] = [
    CALM,
    Style { name: "herd", envoys: 4, seconds: 8, rate: 200, herd: true, ..CALM },
    Style { name: "lossy", lossy: true, sleepy: true, ..CALM },
    Style { name: "late", lossy: true, late: true, sleepy: true, ..CALM },
    Style { name: "exceeding", lossy: true, late: true, exceeds: true, ..CALM },
    Style { name: "windows", seconds: 90, rate: 20, lossy: true, windows: true, skewed: true, ..CALM },
    Style { name: "pushes", lossy: true, pushes: true, ..CALM },
    Style { name: "crashes", lossy: true, crashes: true, skewed: true, ..CALM },
    Style { name: "forgiving", lossy: true, forgives: true, ..CALM },
    Style { name: "lanes", lossy: true, late: true, lanes: true, ..CALM },
    Style {
        name: "late herd",
        envoys: 4,
        seconds: 8,
        rate: 100,
        herd: true,
        lossy: true,
        late: true,
        ..CALM
    },
    Style { name: "stops", lossy: true, fault: Some(ServerFault::Stops), ..CALM },
    Style { name: "stops, forgiving", forgives: true, fault: Some(ServerFault::Stops), ..CALM },
    Style { name: "emptied", fault: Some(ServerFault::IsEmptied), ..CALM },
    Style { name: "failover", fault: Some(ServerFault::FailsOver), ..CALM },
    Style { name: "restored", fault: Some(ServerFault::IsRestored), ..CALM },
];
