//! Decides how a change is made and told: what an entry was and will be, who changes it, and that a dry run changes
//! nothing.
//!
//! Who it was is what they say or what the system calls them. That is a statement and no proof: the server knows its
//! users only.

use farebox_core::config::Config;
use farebox_core::registry::{Entry, Expected};
use serde_json::{Map, Value, json};

use super::store::Change;
use super::{RegistryError, Store, Stored, differences, printed, refused};
use crate::check::from_host;

/// Longest name of somebody.
const LONGEST_WHO: usize = 128;

/// How a change is made.
#[derive(Debug, clap::Args)]
pub(crate) struct Doing {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Who changes it, for the audit (without it: the user of this shell)
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
}

/// An entry that is to change.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) before: Option<Stored>,
    /// `None`: it is removed.
    pub(crate) after: Option<Entry>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Deed {
    /// The command, as the audit has it.
    pub(crate) what: &'static str,
    pub(crate) changes: Vec<Planned>,
    /// What is odd about it and no reason not to do it.
    pub(crate) warnings: Vec<String>,
    /// How a change is told, if not member by member.
    pub(crate) lines: Vec<String>,
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Done {
    deed: Deed,
    who: String,
    is_dry: bool,
    /// `None`: nothing was written.
    version: Option<u64>,
    /// Milliseconds in which every Envoy knows it.
    within_ms: Option<u64>,
}

impl Deed {
    /// A change of one entry.
    pub(crate) fn one(
        what: &'static str,
        name: String,
        before: Option<Stored>,
        after: Option<Entry>,
    ) -> Self {
        let changes = vec![Planned { name, before, after }];
        Self { what, changes, warnings: Vec::new(), lines: Vec::new() }
    }
}

impl Doing {
    /// Whether nothing is to be changed.
    pub(crate) fn is_dry(&self) -> bool {
        self.dry_run
    }

    /// Does it, if it is not to be tried only and there is something to do.
    ///
    /// # Errors
    /// If an entry would be none, somebody was faster, or the server refuses.
    pub(crate) fn carry_out(
        &self,
        config: &Config,
        store: &mut Store<'_>,
        mut deed: Deed,
    ) -> Result<Done, RegistryError> {
        let who = self.who()?;
        for planned in &deed.changes {
            if let Some(after) = &planned.after
                && let Err(errors) = Entry::parse(&planned.name, after.to_json().as_bytes())
            {
                return Err(RegistryError::Broken(planned.name.clone(), errors));
            }
        }
        let registry = config.ledger.as_ref().and_then(|ledger| ledger.registry.as_ref());
        if registry.is_none() {
            let told = "this configuration has no \"ledger\": {\"registry\": {}}, so Envoys that run with it do not \
                        read this";
            deed.warnings.push(told.to_owned());
        }
        let within_ms = registry.map(|registry| registry.interval_ms.saturating_mul(2));
        let changes: Vec<Change<'_>> =
            deed.changes.iter().filter(|planned| planned.is_change()).map(Planned::change).collect();
        let version = match changes.is_empty() || self.dry_run {
            true => None,
            false => Some(store.write(&who, deed.what, &changes)?),
        };
        Ok(Done { deed, who, is_dry: self.dry_run, version, within_ms })
    }

    /// Who does it.
    fn who(&self) -> Result<String, RegistryError> {
        // Who became somebody else to run this is still who they are.
        let variables = ["SUDO_USER", "USER", "LOGNAME", "USERNAME"];
        let known = || variables.iter().find_map(|name| from_host(name).filter(|who| !who.is_empty()));
        let Some(who) = self.who.clone().or_else(known) else {
            return refused("--who: say who you are: the system does not, and the audit is to know");
        };
        if who.trim().is_empty() || who.chars().count() > LONGEST_WHO || who.contains(char::is_control) {
            return refused(format!("--who: must be 1 to {LONGEST_WHO} characters"));
        }
        Ok(who)
    }
}

impl Planned {
    fn json(entry: Option<&Entry>) -> Value {
        entry.and_then(|entry| serde_json::from_str(&entry.to_json()).ok()).unwrap_or_default()
    }

    fn before_json(&self) -> Value {
        Self::json(self.before.as_ref().map(|stored| &stored.entry))
    }

    fn after_json(&self) -> Value {
        Self::json(self.after.as_ref())
    }

    fn is_change(&self) -> bool {
        self.before.as_ref().map(|stored| &stored.entry) != self.after.as_ref()
    }

    fn change(&self) -> Change<'_> {
        let expected =
            self.before.as_ref().map_or(Expected::Nothing, |stored| Expected::Version(stored.version));
        let json = self.after.as_ref().map(Entry::to_json).unwrap_or_default();
        Change { name: &self.name, expected, json }
    }
}

impl Done {
    /// As one reads it, a line for each member that changed.
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<String> =
            self.deed.warnings.iter().map(|told| format!("warning: {told}")).collect();
        for planned in &self.deed.changes {
            let name = &planned.name;
            if !planned.is_change() {
                lines.push(format!("{name} is so already"));
                continue;
            }
            let verb = match (self.deed.what.ends_with(" new"), self.is_dry) {
                (true, false) => "made",
                (true, true) => "would make",
                (false, false) => "changed",
                (false, true) => "would change",
            };
            lines.push(format!("{verb} {name}"));
            if self.deed.lines.is_empty() {
                let all = differences(&planned.before_json(), &planned.after_json());
                lines.extend(all.into_iter().map(|(path, was, is)| format!("  {path}: {was} -> {is}")));
            }
            lines.extend(self.deed.lines.iter().map(|line| format!("  {line}")));
        }
        match (self.version, self.within_ms) {
            _ if self.is_dry => lines.push("a dry run: nothing was changed".to_owned()),
            (None, _) => lines.push("nothing was changed".to_owned()),
            (Some(_), Some(ms)) => {
                lines.push(format!(
                    "every Envoy that reaches the ledger knows it within {} s",
                    ms as f64 / 1_000.0
                ));
            }
            (Some(_), None) => {}
        }
        lines.join("\n")
    }

    /// The same for programs, with these members besides.
    pub(crate) fn json(&self, more: Map<String, Value>) -> String {
        let changes: Vec<Value> = self
            .deed
            .changes
            .iter()
            .map(|planned| {
                json!({"name": planned.name, "before": planned.before_json(), "after": planned.after_json()})
            })
            .collect();
        let mut value = json!({
            "what": self.deed.what,
            "who": self.who,
            "dry_run": self.is_dry,
            "changed": self.version.is_some(),
            "version": self.version,
            "changes": changes,
            "warnings": self.deed.warnings,
        });
        if let Some(all) = value.as_object_mut() {
            all.extend(more);
        }
        printed(&value)
    }
}
