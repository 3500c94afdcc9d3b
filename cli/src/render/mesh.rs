//! Decides what Envoy gets of Farebox wherever it is patched into an Envoy that somebody else configures: the filter in
//! both places, what its connection manager has to do, and the route.
//!
//! Does not know who patches: see `istio` and `envoy_gateway`.

use farebox_core::config::Provider;

use super::Plan;
use super::bootstrap::{idle_seconds, variables};
use super::sheet::{Sheet, scalar};
use super::version::Version;

/// Where a pod has the module if it is mounted into it.
pub(super) const MOUNT: &str = "/opt/farebox";
/// The file of the module in its image, and in the folder where the image is mounted.
pub(super) const MODULE: &str = "plugin.wasm";

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!("mesh/", $name, ".yaml"))
    };
}

/// The filter before the router, whose module is at `code`.
pub(super) fn gateway(sheet: &mut Sheet, plan: &Plan<'_>, code: &str) -> String {
    filter(sheet, plan, "farebox", "", code)
}

/// The filter behind the router.
pub(super) fn attempt(sheet: &mut Sheet, plan: &Plan<'_>, code: &str) -> String {
    let role = sheet.put(piece!("role"), &[]);
    filter(sheet, plan, "farebox-attempt", &role, code)
}

fn filter(sheet: &mut Sheet, plan: &Plan<'_>, name: &str, role: &str, code: &str) -> String {
    let (indicator, configuration) = plan.block();
    let env = variables(plan.config, plan.providers).join(", ");
    sheet.put(
        piece!("filter"),
        &[
            ("name", name),
            ("role", role),
            ("code", code),
            ("env", &env),
            ("indicator", indicator),
            ("configuration", &configuration),
        ],
    )
}

/// A module that the pod fetches out of an image.
pub(super) fn remote(sheet: &mut Sheet, image: &str) -> String {
    sheet.put(piece!("remote"), &[("image", &scalar(&format!("oci://{image}")))])
}

/// A module that is mounted into the pod.
pub(super) fn local(sheet: &mut Sheet) -> String {
    sheet.put(piece!("local"), &[("file", &format!("{MOUNT}/{MODULE}"))])
}

/// A filter that is found by its name.
pub(super) fn discovery(sheet: &mut Sheet, name: &str) -> String {
    sheet.put(piece!("discovery"), &[("name", name)])
}

/// What the router has besides, with the filter for attempts, which begins with its name.
pub(super) fn router(sheet: &mut Sheet, attempt: &str) -> String {
    let attempt = attempt.replace('\n', "\n  ");
    sheet.put(piece!("router"), &[("attempt", &attempt)])
}

/// What the connection manager has besides.
pub(super) fn manager(sheet: &mut Sheet, plan: &Plan<'_>, fails_over: bool) -> String {
    let log = access_log(sheet).replace('\n', "\n  ");
    let early = early(sheet, plan).map(|early| early.replace('\n', "\n  "));
    let early = early.map(|early| format!("early_header_mutation_extensions:\n- {early}"));
    let (early, stream_idle) = (early.unwrap_or_default(), stream_idle(plan, fails_over));
    sheet.put(piece!("manager"), &[("stream_idle", &stream_idle), ("early", &early), ("access_log", &log)])
}

/// What takes the header that names callers from clients, if there is one.
pub(super) fn early(sheet: &mut Sheet, plan: &Plan<'_>) -> Option<String> {
    let name = scalar(plan.config.identity_header.as_deref()?);
    Some(sheet.put(piece!("early"), &[("header", &name)]))
}

/// One line of JSON for each request.
pub(super) fn access_log(sheet: &mut Sheet) -> String {
    let line = log_line(sheet);
    sheet.put(piece!("access_log"), &[("line", &line)])
}

/// What that line is made of.
pub(super) fn log_line(sheet: &mut Sheet) -> String {
    sheet.put(piece!("log_line"), &[])
}

/// How long a stream may be silent, in seconds.
pub(super) fn stream_idle(plan: &Plan<'_>, fails_over: bool) -> String {
    idle_seconds(plan.config, fails_over).1.to_string()
}

/// How the route of an Envoy of this version names the provider's host: members of the route, and of its action.
pub(super) fn host(sheet: &mut Sheet, version: Version) -> [String; 2] {
    let pieces = match version.rewrites_hosts() {
        true => ["", include_str!("host/named.yaml")],
        false => [include_str!("host/carried_1_36.yaml"), include_str!("host/named_1_36.yaml")],
    };
    pieces.map(|piece| sheet.put(piece, &[]))
}

/// A route of our own with this action.
pub(super) fn route(sheet: &mut Sheet, version: Version, action: &str) -> String {
    let [host_header, _] = host(sheet, version);
    sheet.put(piece!("route"), &[("host_header", &host_header), ("action", action)])
}

/// What a route does that leads to all clusters, each with what the filter calls it and what the mesh does; `retried`: with what
/// the router sends again.
pub(super) fn action(
    sheet: &mut Sheet,
    plan: &Plan<'_>,
    clusters: &[(&str, String)],
    version: Version,
    retried: bool,
) -> String {
    let (attempt_idle, _) = idle_seconds(plan.config, retried);
    let target = |(name, cluster): &(&str, String)| {
        sheet.put(piece!("target"), &[("name", &scalar(name)), ("cluster", &scalar(cluster))])
    };
    let targets: Vec<String> = clusters.iter().map(target).collect();
    let retries = if retried {
        sheet.put(piece!("retries"), &[("attempt_idle", &attempt_idle.to_string())])
    } else {
        String::new()
    };
    let [_, host] = host(sheet, version);
    sheet.put(piece!("action"), &[("routes", &targets.join("\n")), ("retries", &retries), ("host", &host)])
}

/// What a rule of an HTTPRoute does besides sending requests to `provider`. Such a rule names hosts without ports.
pub(super) fn rewrite(sheet: &mut Sheet, provider: &Provider) -> String {
    let host = match provider.authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => &*provider.authority,
    };
    let is_name = host.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'));
    match is_name {
        true => sheet.put(piece!("rewrite"), &[("host", &scalar(host))]),
        false => sheet.put(piece!("unnamed"), &[]),
    }
}

/// What a readiness probe's request has besides, where the listener is for one host alone.
pub(super) fn probe_host(host: &str) -> String {
    format!(", httpHeaders: [{{name: Host, value: {}}}]", scalar(host))
}

/// What Envoy's bootstrap has besides.
pub(super) fn tags(sheet: &mut Sheet) -> String {
    sheet.put(piece!("tags"), &[])
}

/// The variables with the providers' keys, for the containers of a pod; every key is one of the Secret `secret`.
pub(super) fn environment(plan: &Plan<'_>, secret: &str) -> String {
    let variable = |name: &String| {
        format!(
            "- {{name: {name}, valueFrom: {{secretKeyRef: {{name: {secret}, key: {name}, optional: true}}}}}}"
        )
    };
    variables(plan.config, plan.providers).iter().map(variable).collect::<Vec<_>>().join("\n")
}
