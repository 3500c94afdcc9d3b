//! Decides what is said of a configuration of which the Envoy that it is written for can do less than it asks for.
//!
//! It is said twice: to whoever runs the command, and to whoever reads what was written, long after that.

use farebox_core::config::{ConfigError, Signing, path};

use super::Plan;
use super::site::Site;
use super::version::Version;
use crate::advice;

/// What is lost, and why.
pub(super) struct Lost {
    why: String,
    what: Vec<ConfigError>,
}

/// What an Envoy of this version does not do for `plan`; `left_out`: it is not told to.
pub(super) fn with(version: Version, left_out: bool, plan: &Plan<'_>) -> Option<Lost> {
    let once = "every request is sent once, as if failover.attempts were 1";
    let why = if !version.fails_over() {
        format!("Envoy {} sends no request to a second provider (1.39 does): {once}", version.name())
    } else if left_out {
        format!("there is no filter behind the router: {once}")
    } else {
        return None;
    };
    let what = advice::without_failover(plan.config, plan.json);
    (!what.is_empty()).then_some(Lost { why, what })
}

/// The same of an Envoy that is told everything here.
pub(super) fn with_own(version: Version, plan: &Plan<'_>) -> Option<Lost> {
    let mut lost = with(version, false, plan);
    if !version.prefixes_credentials() {
        let signs = |site: &&Site<'_>| match site.signing() {
            Some(Signing::Gcp) => true,
            Some(Signing::File(_)) => !site.header().1.is_empty(),
            _ => false,
        };
        let message = "Envoy 1.36 puts no word before a secret: the file with the token (for Google's: --gcp-token) has to say `Bearer ` before it";
        for site in plan.sites.iter().filter(signs) {
            let path = path::member(&path::member("providers", &site.provider.name), "credentials");
            lost = add(lost, version, path, message);
        }
    }
    lost
}

/// The same of an Envoy whose listener is written by a control plane.
pub(super) fn with_control_plane(version: Version, left_out: bool, plan: &Plan<'_>) -> Option<Lost> {
    let lost = with(version, left_out, plan);
    if version.limits_bodies_of_routes() || plan.config.headers_only.is_some() {
        return lost;
    }
    let message = "Envoy 1.36 takes no such limit from a route: a body over 1 MiB is refused with 413 unless \
                   per_connection_buffer_limit_bytes of the listener is raised";
    add(lost, version, "limits.request_body_bytes".to_owned(), message)
}

fn add(lost: Option<Lost>, version: Version, path: String, message: &str) -> Option<Lost> {
    let why = format!("Envoy {} does not know all of this", version.name());
    let mut lost = lost.unwrap_or(Lost { why, what: Vec::new() });
    lost.what.push(ConfigError { path, message: message.to_owned() });
    Some(lost)
}

/// For whoever runs the command.
pub(super) fn message(lost: &Lost, source: &str) -> String {
    let lines = lost.what.iter().map(|one| format!("\n  {one}"));
    format!("{source}: {}{}", lost.why, lines.collect::<String>())
}

/// For whoever reads what was written; nothing if nothing is lost.
pub(super) fn comment(lost: Option<&Lost>) -> String {
    let Some(lost) = lost else { return String::new() };
    let lines =
        lost.what.iter().map(|one| format!("\n#   {}", one.to_string().replace(char::is_control, " ")));
    format!("#\n# {}.{}", lost.why, lines.collect::<String>())
}
