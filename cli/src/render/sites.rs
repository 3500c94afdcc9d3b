//! Decides which clusters there are: one for each name of a cluster, whoever of the providers uses it.
//!
//! Two dialects of one provider may share a cluster. What they say of it has to be the same, or one of them would
//! silently be sent where the other one is.

use farebox_core::config::{ConfigError, Provider, Signing};

use super::site::Site;

/// The clusters for `providers`, in their order.
///
/// # Errors
/// Every member of a provider that stands in the way.
pub(super) fn of<'a>(providers: &[&'a Provider]) -> Result<Vec<Site<'a>>, Vec<ConfigError>> {
    let (mut sites, mut errors) = (Vec::<Site<'a>>::new(), Vec::new());
    for &provider in providers {
        let site = Site::of(provider).and_then(|site| {
            same_application(&sites, &site)?;
            Ok(site)
        });
        let mistake = match site {
            Ok(site) => match sites.iter_mut().find(|other| other.provider.cluster == provider.cluster) {
                None => {
                    sites.push(site);
                    None
                }
                Some(other) => join(other, &site).err(),
            },
            Err(mistake) => Some(mistake),
        };
        errors.extend(mistake.map(|(member, message)| ConfigError {
            path: format!("providers.{}.{member}", provider.name),
            message,
        }));
    }
    if errors.is_empty() { Ok(sites) } else { Err(errors) }
}

/// Lets `site` be reached through the cluster of `other`.
fn join<'a>(other: &mut Site<'a>, site: &Site<'a>) -> Result<(), (&'static str, String)> {
    let what = if other.endpoints != site.endpoints {
        "other endpoints"
    } else if other.tls != site.tls {
        "another host"
    } else if other.signing() != site.signing()
        || (matches!(site.signing(), Some(Signing::File(_))) && other.header() != site.header())
    {
        "other credentials of Envoy's"
    } else if other.health_path.is_some()
        && site.health_path.is_some()
        && other.health_path != site.health_path
    {
        "another health_path"
    } else {
        other.health_path = other.health_path.or(site.health_path);
        return Ok(());
    };
    let name = &other.provider.name;
    Err(("cluster", format!("is the cluster of the provider \"{name}\" too, which has {what}")))
}

/// There is one variable for the secret of an application of Microsoft Entra.
fn same_application(sites: &[Site<'_>], site: &Site<'_>) -> Result<(), (&'static str, String)> {
    let Some(own @ Signing::Azure { .. }) = site.signing() else { return Ok(()) };
    let is_other = |other: &&Site<'_>| matches!(other.signing(), Some(signing @ Signing::Azure { .. }) if signing != own);
    match sites.iter().find(is_other) {
        None => Ok(()),
        Some(other) => {
            let name = &other.provider.name;
            let message = format!(
                "must be the application of the provider \"{name}\": Envoy gets one secret, AZURE_CLIENT_SECRET"
            );
            Err(("credentials", message))
        }
    }
}
