//! Decides what a provider is called in a mesh: the host and port by which Kubernetes' resources refer to it.
//!
//! A name of the cluster's own DNS is a Service that is there already. One public name is its own host. Several
//! endpoints, or addresses, get a host that is made up for them.
//!
//! Does not write resources: see `istio` and `envoy_gateway`.

use farebox_core::config::ConfigError;

use super::site::{Discovery, Site};

/// What names of Services end with.
const CLUSTER_DOMAIN: &str = ".svc.cluster.local";

/// A provider's cluster as the mesh knows it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// What the filter calls its cluster.
    pub(super) name: &'a str,
    /// A name for resources that are about it; every character is allowed in one.
    pub(super) resource: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether it is a Service of this Kubernetes cluster.
    pub(super) is_service: bool,
    pub(super) site: &'a Site<'a>,
}

impl Place<'_> {
    /// The addresses behind a host that was made up; empty if the host is a name itself.
    pub(super) fn has_endpoints(&self) -> bool {
        self.site.endpoints.first().is_none_or(|first| *first.host != *self.host)
    }

    /// Whether the endpoints are addresses.
    pub(super) fn is_static(&self) -> bool {
        self.site.discovery() == Discovery::Static
    }
}

/// The places of `sites`, in their order.
///
/// # Errors
/// Every member of a provider that stands in the way.
pub(super) fn of<'a>(sites: &'a [Site<'a>]) -> Result<Vec<Place<'a>>, Vec<ConfigError>> {
    let (mut places, mut errors) = (Vec::<Place<'a>>::new(), Vec::new());
    for site in sites {
        match place(site, &places) {
            Ok(place) => places.push(place),
            Err((member, message)) => errors
                .push(ConfigError { path: format!("providers.{}.{member}", site.provider.name), message }),
        }
    }
    if errors.is_empty() { Ok(places) } else { Err(errors) }
}

fn place<'a>(site: &'a Site<'a>, others: &[Place<'a>]) -> Result<Place<'a>, (&'static str, String)> {
    if site.signing().is_some() {
        let message = "are made by a filter of Envoy's in the provider's cluster, which is written for a plain \
                       Envoy only: use a key, or farebox render plain";
        return Err(("credentials", message.to_owned()));
    }
    let resource = resource(&site.provider.cluster, others);
    let first = site.endpoints.first();
    let port = first.map_or(443, |first| first.port);
    let is_one = site.endpoints.len() == 1 && !matches!(site.discovery(), Discovery::Static);
    let host = match first.filter(|_| is_one) {
        Some(first) => first.host.to_string(),
        None => format!("{resource}.farebox.internal"),
    };
    // A mesh has one cluster for a host, and attempts could not be told apart by it.
    if let Some(other) = others.iter().find(|other| other.host == host) {
        let name = &other.site.provider.name;
        let message = format!("must be the cluster of the provider \"{name}\", which is at the same host");
        return Err(("cluster", message));
    }
    let is_service = host.ends_with(CLUSTER_DOMAIN);
    if is_service && site.tls.is_some() {
        let message = "must be http:// for a Service: the mesh speaks TLS to it if it is to be spoken";
        return Err(("endpoints", message.to_owned()));
    }
    let name = &*site.provider.cluster;
    Ok(Place { name, resource, host, port, is_service, site })
}

/// `name` in the letters that names of resources are made of.
fn resource(name: &str, others: &[Place<'_>]) -> String {
    let letter = |byte: char| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { '-' };
    let plain: String = name.chars().map(letter).collect();
    let plain = match plain.trim_matches('-') {
        "" => "provider",
        plain => plain,
    };
    let is_free = |wanted: &str| others.iter().all(|other| other.resource != wanted);
    if is_free(plain) {
        return plain.to_owned();
    }
    let numbered = (2..).map(|number: u32| format!("{plain}-{number}"));
    numbered.take(others.len() + 2).find(|wanted| is_free(wanted)).unwrap_or_else(|| plain.to_owned())
}
