//! Decides what a budget is: how much of what may be used, by whom, until when, and what happens then.

use std::rc::Rc;

use super::{Downgrade, Limits, Listed};
use crate::base::hash::HashMap;
use crate::base::pattern::Pattern;
use crate::base::window::Calendar;

/// A limit on use over a window.
#[derive(Debug, PartialEq, Eq)]
pub struct Budget {
    /// What refusals call it. Counters are kept under it.
    pub name: Box<str>,
    /// Who shares a counter: callers that are alike in all of these. Empty: everyone.
    pub per: Box<[Dimension]>,
    /// Over which Envoys it is counted.
    pub scope: Scope,
    /// When the counter starts again.
    pub window: Calendar,
    /// The limits of everyone who has no others.
    pub limits: Limits,
    /// What the configuration names, if there may be others; `None`: there are none.
    pub listed: Option<Rc<Listed>>,
    /// Other limits for some subjects.
    pub overrides: Overrides,
    /// What is taken from the budget before a request is sent.
    pub mode: Mode,
    /// What happens to a request that finds no room.
    pub at_limit: AtLimit,
    /// To which models requests go when little is left.
    pub downgrade: Option<Downgrade>,
    /// Percentages of a limit from which on answers carry a warning, lowest first.
    pub warn_percent: Box<[u64]>,
    /// What happens to answers that are on their way when the budget is used up.
    pub running: Running,
    /// About how many subjects are remembered, if callers name them.
    pub slots: u32,
    /// What happens to a subject for which there is no slot.
    pub when_full: WhenFull,
    /// What happens to a request that does not say what the budget is counted by.
    pub when_absent: WhenAbsent,
    /// When a subject is forgotten that a caller named and that is idle, in milliseconds; at the latest
    /// when its window ends, if that does.
    pub forget_ms: u64,
}

/// What a budget is counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// The caller's team.
    Team,
    /// The caller's key.
    Key,
    /// A label of the caller's key.
    Label(Box<str>),
    /// The model, as metrics call it: an alias or pattern of the configuration.
    Model,
    /// The provider that serves the model.
    Provider,
    /// The end user that the request names.
    User,
    /// The agent that the request names.
    Agent,
    /// The session that the request names.
    Session,
    /// The workflow that the request names.
    Workflow,
    /// A header of the request, by its lower-case name.
    Header(Box<str>),
    /// The request itself, but for ids and who asks: what repeats itself shares a counter.
    Request,
}

impl Dimension {
    /// Dimensions that are one word in the configuration.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("team", Self::Team),
        ("key", Self::Key),
        ("model", Self::Model),
        ("provider", Self::Provider),
        ("user", Self::User),
        ("agent", Self::Agent),
        ("session", Self::Session),
        ("workflow", Self::Workflow),
        ("request", Self::Request),
    ];

    /// The word of the configuration; of a label or header, the one before its name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Label(_) => "label",
            Self::Header(_) => "header",
            word => Self::NAMES.iter().find(|(_, other)| other == word).map_or("", |(name, _)| name),
        }
    }

    /// The whole text of the configuration, as in `session` or `header:x-tenant`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Label(name) | Self::Header(name) => format!("{}:{name}", self.kind()),
            word => word.kind().to_owned(),
        }
    }

    /// Whether its values come from requests, so that there may be any number of them.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        !matches!(self, Self::Team | Self::Key | Self::Label(_) | Self::Model | Self::Provider)
    }

    /// Whether its value is known from the caller's key alone.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        matches!(self, Self::Team | Self::Key | Self::Label(_))
    }
}

/// Subjects that callers name and that are remembered, unless it is said how many.
const SLOTS: u32 = 16_384;
/// How long an idle subject is remembered if its window does not end, in milliseconds: 30 days.
const FORGET_MS: u64 = 30 * 24 * 3_600_000;

impl Budget {
    /// A budget in which everything else is as it is if nobody says it.
    #[must_use]
    pub fn new(name: &str, per: impl Into<Box<[Dimension]>>, window: Calendar, limits: Limits) -> Self {
        Self {
            name: name.into(),
            per: per.into(),
            scope: Scope::Process,
            window,
            limits,
            listed: None,
            overrides: Overrides::default(),
            mode: Mode::Hold,
            at_limit: AtLimit::Deny,
            downgrade: None,
            warn_percent: Box::default(),
            running: Running::Finish,
            slots: SLOTS,
            when_full: WhenFull::Deny,
            when_absent: WhenAbsent::Skip,
            forget_ms: FORGET_MS,
        }
    }

    /// Whether its subjects come from requests, so that they live in slots.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.per.iter().any(Dimension::is_claimed)
    }

    /// The dimensions as one text, as in `team+model`; `org` if there are none.
    #[must_use]
    pub fn per_text(&self) -> String {
        if self.per.is_empty() {
            return "org".to_owned();
        }
        self.per.iter().map(Dimension::text).collect::<Vec<_>>().join("+")
    }

    /// The limits of `subject`.
    #[must_use]
    pub fn limits_of(&self, subject: &str) -> Limits {
        self.overrides.of(subject).map_or(self.limits, |own| own.over(&self.limits))
    }
}

/// Limits by subject: its values joined by `/`, or a pattern over that.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// By the whole name.
    pub exact: HashMap<Box<str>, Limits>,
    /// By pattern, the longest first.
    pub patterns: Vec<(Pattern, Limits)>,
}

impl Overrides {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Limits> {
        self.exact.values().chain(self.patterns.iter().map(|(_, limits)| limits))
    }

    /// The limits of `subject` that differ: by its name, else by the first pattern that fits.
    #[must_use]
    pub fn of(&self, subject: &str) -> Option<&Limits> {
        let fits = || self.patterns.iter().find(|(pattern, _)| pattern.matches(subject));
        self.exact.get(subject).or_else(|| fits().map(|(_, limits)| limits))
    }
}

/// Over which Envoys a budget is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All that share a ledger.
    Fleet,
    /// One Envoy alone.
    Process,
}

impl Scope {
    /// Every scope with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 2] = [("fleet", Self::Fleet), ("process", Self::Process)];
}

/// What is taken from a budget before a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: a request is sent as long as something is left.
    Check,
    /// What it is expected to use.
    Hold,
    /// The most it can use; the request is made to ask for less if that is what is left.
    Strict,
}

impl Mode {
    /// Every mode with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 3] =
        [("check", Self::Check), ("hold", Self::Hold), ("strict", Self::Strict)];
}

/// What happens to a request that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLimit {
    /// It is refused.
    Deny,
    /// It is sent; the budget only counts and says what it would have refused.
    Shadow,
}

impl AtLimit {
    /// Every way with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 2] = [("deny", Self::Deny), ("shadow", Self::Shadow)];
}

/// What happens to answers that are on their way when a budget is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// They come to their end.
    Finish,
    /// Streams end with an event that says why.
    Cut,
}

impl Running {
    /// Every way with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 2] = [("finish", Self::Finish), ("cut", Self::Cut)];
}

/// What happens to a subject for which there is no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Its requests are refused.
    Deny,
    /// Its requests are not counted by this budget.
    Allow,
    /// Whoever was idle for the longest is forgotten.
    Evict,
}

impl WhenFull {
    /// Every way with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 3] =
        [("deny", Self::Deny), ("allow", Self::Allow), ("evict", Self::Evict)];
}

/// What happens to a request that does not say what a budget is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAbsent {
    /// The budget does not hold for it.
    Skip,
    /// It is refused.
    Deny,
}

impl WhenAbsent {
    /// Every way with the word the configuration uses for it.
    pub const NAMES: [(&'static str, Self); 2] = [("skip", Self::Skip), ("deny", Self::Deny)];
}
