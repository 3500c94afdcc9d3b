//! Decides what a cluster is, before it is written down: whom it reaches, how they are found, what they are
//! called in TLS.
//!
//! Does not write: see `cluster`.

use std::net::IpAddr;

use farebox_core::config::{Credential, Endpoint, Provider, Signing};

/// One cluster to be written.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// The first provider that is reached through it.
    pub(super) provider: &'a Provider,
    /// Where they listen; never empty.
    pub(super) endpoints: &'a [Endpoint],
    /// The name their certificate is for; `None`: they speak plain HTTP.
    pub(super) tls: Option<&'a str>,
    /// The path that tells whether one is alive.
    pub(super) health_path: Option<&'a str>,
}

/// How the addresses of a cluster are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discovery {
    /// They are written down.
    Static,
    /// By a public name, of which one address is used at a time.
    LogicalDns,
    /// By names of the operator's own, of which every address is an endpoint.
    StrictDns,
}

impl<'a> Site<'a> {
    /// What `provider` needs.
    ///
    /// # Errors
    /// The member of the provider that is wrong or missing, and what is wrong with it.
    pub(super) fn of(provider: &'a Provider) -> Result<Self, (&'static str, String)> {
        let endpoints = &*provider.endpoints;
        let Some(first) = endpoints.first() else {
            let message = "is missing: nobody said where it listens, like [\"http://10.0.0.5:8000\"]";
            return Err(("endpoints", message.to_owned()));
        };
        if endpoints.iter().any(|endpoint| endpoint.tls != first.tls) {
            let message = "must be all https:// or all http://: they are one pool with one way to reach it";
            return Err(("endpoints", message.to_owned()));
        }
        if provider.credential == Credential::Envoy && provider.signing.is_none() {
            let message = "does not say which of Envoy's filters makes it: write {\"envoy\": \"aws\", …}, \
                           {\"envoy\": \"gcp\"}, {\"envoy\": \"azure\", …} or {\"envoy\": \"file\", …}";
            return Err(("credentials", message.to_owned()));
        }
        let mut headers = headers(provider);
        let header = headers.next();
        if matches!(provider.signing, Some(Signing::File(_))) && headers.any(|other| Some(other) != header) {
            let message = "is one key in one header, and the dialects of this provider have several: name one \"dialect\", or write a provider \
                           for each of them";
            return Err(("credentials", message.to_owned()));
        }
        let tls = first.tls.then(|| certified_name(provider, first)).transpose()?;
        Ok(Self { provider, endpoints, tls, health_path: provider.health_path.as_deref() })
    }

    /// How Envoy finds the addresses. A server that speaks plain HTTP under a name is the operator's own.
    pub(super) fn discovery(&self) -> Discovery {
        let mut endpoints = self.endpoints.iter();
        match self.endpoints {
            _ if endpoints.all(|endpoint| is_address(&endpoint.host)) => Discovery::Static,
            [_] if self.tls.is_some() => Discovery::LogicalDns,
            _ => Discovery::StrictDns,
        }
    }

    /// Whether there may be more than one endpoint to choose from.
    pub(super) fn is_pool(&self) -> bool {
        self.endpoints.len() > 1 || self.discovery() == Discovery::StrictDns
    }

    /// What Envoy makes the credential with.
    pub(super) fn signing(&self) -> Option<&'a Signing> {
        self.provider.signing.as_ref()
    }

    /// The header that carries a key, and what comes before the key there.
    pub(super) fn header(&self) -> (&'static str, &'static str) {
        headers(self.provider).next().unwrap_or(("authorization", ""))
    }

    /// The host that a request for the health path names.
    pub(super) fn health_host(&self) -> &str {
        let host = self.provider.host.as_deref();
        host.or_else(|| self.endpoints.first().map(|endpoint| &*endpoint.host)).unwrap_or_default()
    }
}

/// The header for a key in each of a provider's dialects.
fn headers(provider: &Provider) -> impl Iterator<Item = (&'static str, &'static str)> {
    provider.apis.iter().map(|api| provider.header.unwrap_or_else(|| api.credential()))
}

/// The name that the certificates of a provider are for.
fn certified_name<'a>(
    provider: &'a Provider,
    first: &'a Endpoint,
) -> Result<&'a str, (&'static str, String)> {
    if let Some(host) = &provider.host {
        let name = without_port(host);
        if is_address(name) {
            return Err(("host", "must be the name that the certificate is for, not an address".to_owned()));
        }
        return Ok(name);
    }
    if is_address(&first.host) || provider.endpoints.iter().any(|endpoint| endpoint.host != first.host) {
        let message = "is missing: it is the name that the certificates of all its endpoints are for";
        return Err(("host", message.to_owned()));
    }
    Ok(&first.host)
}

fn without_port(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    }
}

fn is_address(host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
}
