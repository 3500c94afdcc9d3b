//! Decides whose project a request to Vertex is made in: the provider's, whatever the path says.
//!
//! Who names another project would have it billed with the gateway's credential.

/// What comes before the publisher in a path of Vertex, by its versions.
const VERSIONS: [&str; 2] = ["/v1", "/v1beta1"];

/// The path with the project and location of the provider in place of its own, or where it has none. `None` if it is no
/// path of Vertex.
#[must_use]
pub fn placed(path: &str, project: &str, location: &str) -> Option<String> {
    let (version, rest) = VERSIONS.iter().find_map(|version| {
        let rest = path.strip_prefix(version)?.strip_prefix('/')?;
        Some((version, rest))
    })?;
    let publisher = match rest.strip_prefix("projects/") {
        Some(rest) => rest.splitn(4, '/').nth(3)?,
        None => rest,
    };
    publisher
        .starts_with("publishers/")
        .then(|| format!("{version}/projects/{project}/locations/{location}/{publisher}"))
}
