//! Decides how a cluster is written down: which pieces it is made of.
//!
//! Each piece says why it is as it is; here is only said whom it is for. Pieces are put down in the order in which
//! they stand, so that the first one of a kind is the one with the reasons.

use farebox_core::config::{Endpoint, Signing};

use super::sheet::{Sheet, scalar};
use super::site::{Discovery, Site};
use super::version::Version;

/// Where Microsoft Entra gives tokens: the name of the cluster, and of the host.
const ENTRA: &str = "login.microsoftonline.com";

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!($name, ".yaml"))
    };
}

/// What differs between clusters.
struct Cluster<'a> {
    name: &'a str,
    discovery: Discovery,
    /// As in [`Site::tls`].
    tls: Option<&'a str>,
    is_pool: bool,
    /// Path and host.
    health: Option<(&'a str, &'a str)>,
    /// The filter that makes the credential.
    signer: Option<Signer<'a>>,
    version: Version,
    ca: &'a str,
    endpoints: &'a [Endpoint],
}

/// A filter that makes credentials.
struct Signer<'a> {
    signing: &'a Signing,
    gcp_token: &'a str,
    /// The header for a key out of a file, and what comes before the key there.
    header: (&'static str, &'static str),
    version: Version,
}

/// Files that clusters name.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    /// The CAs that certificates have to come from.
    pub(super) ca: &'a str,
    /// The token for Google.
    pub(super) gcp_token: &'a str,
}

/// The cluster for `site` in an Envoy of this version.
pub(super) fn of_site(sheet: &mut Sheet, site: &Site<'_>, files: Files<'_>, version: Version) -> String {
    let Files { ca, gcp_token } = files;
    let cluster = Cluster {
        name: &site.provider.cluster,
        discovery: site.discovery(),
        tls: site.tls,
        is_pool: site.is_pool(),
        health: site.health_path.map(|path| (path, site.health_host())),
        signer: site.signing().map(|signing| Signer { signing, gcp_token, header: site.header(), version }),
        version,
        ca,
        endpoints: site.endpoints,
    };
    cluster.write(sheet)
}

/// The cluster for tokens of Microsoft Entra.
pub(super) fn of_entra(sheet: &mut Sheet, files: Files<'_>, version: Version) -> String {
    let cluster = Cluster {
        name: ENTRA,
        discovery: Discovery::LogicalDns,
        tls: Some(ENTRA),
        is_pool: false,
        health: None,
        signer: None,
        version,
        ca: files.ca,
        endpoints: &[Endpoint { tls: true, host: ENTRA.into(), port: 443 }],
    };
    cluster.write(sheet)
}

impl Cluster<'_> {
    fn write(&self, sheet: &mut Sheet) -> String {
        let discovery = sheet.put(
            match self.discovery {
                Discovery::Static => piece!("cluster/static"),
                Discovery::LogicalDns => piece!("cluster/logical_dns"),
                Discovery::StrictDns => piece!("cluster/strict_dns"),
            },
            &[],
        );
        let is_far = self.tls.is_some();
        let connect = sheet
            .put(if is_far { piece!("cluster/connect_far") } else { piece!("cluster/connect_near") }, &[]);
        let has_to_warm = self.discovery != Discovery::Static || self.health.is_some();
        let warm = put_if(sheet, has_to_warm, piece!("cluster/warm"));
        let breakers = sheet.put(piece!("cluster/breakers"), &[]);
        let balancing = put_if(sheet, self.is_pool, piece!("cluster/balancing"));
        let panic = put_if(sheet, self.is_pool || self.health.is_some(), piece!("cluster/panic"));
        let health = self.health(sheet);
        let outliers = sheet.put(piece!("cluster/outliers"), &[]);
        let protocol = self.protocol(sheet);
        let endpoints: Vec<String> =
            self.endpoints.iter().map(|endpoint| endpoint_of(sheet, endpoint)).collect();
        let ca = scalar(self.ca);
        let tls = self.tls.map(|sni| sheet.put(piece!("cluster/tls"), &[("sni", &scalar(sni)), ("ca", &ca)]));
        sheet.put(
            piece!("cluster/cluster"),
            &[
                ("name", &scalar(self.name)),
                ("discovery", &discovery),
                ("connect", &connect),
                ("warm", &warm),
                ("breakers", &breakers),
                ("balancing", &balancing),
                ("panic", &panic),
                ("health", &health),
                ("outliers", &outliers),
                ("protocol", &protocol),
                ("endpoints", &endpoints.join("\n")),
                ("tls", &tls.unwrap_or_default()),
            ],
        )
    }

    fn health(&self, sheet: &mut Sheet) -> String {
        let Some((path, host)) = self.health else { return String::new() };
        let tls = put_if(sheet, self.tls.is_some(), piece!("cluster/health_tls"));
        let values = [("path", &*scalar(path)), ("host", &*scalar(host)), ("tls", &*tls)];
        sheet.put(piece!("cluster/health"), &values)
    }

    fn protocol(&self, sheet: &mut Sheet) -> String {
        let (version, idle) = match self.tls {
            Some(_) => (piece!("cluster/auto"), piece!("cluster/idle_far")),
            None => (piece!("cluster/http"), piece!("cluster/idle_near")),
        };
        let piece = match (&self.signer, self.tls) {
            (Some(_), _) if self.version.fails_over() => piece!("cluster/protocol_signed"),
            (Some(_), _) => piece!("cluster/protocol_signed_only"),
            (None, Some(_)) => piece!("cluster/protocol_tls"),
            (None, None) => piece!("cluster/protocol_plain"),
        };
        if self.signer.is_none() && sheet.has(piece) {
            return sheet.put(piece, &[]);
        }
        let options =
            [version, idle, piece!("cluster/failures")].map(|piece| sheet.put(piece, &[])).join("\n");
        let signer = self.signer.as_ref().map(|signer| signer.write(sheet)).unwrap_or_default();
        sheet.put(piece, &[("options", &options), ("signer", &signer)])
    }
}

impl Signer<'_> {
    fn write(&self, sheet: &mut Sheet) -> String {
        let credential = match self.signing {
            Signing::Aws { region } => {
                return sheet.put(piece!("signing/aws"), &[("region", &scalar(region))]);
            }
            Signing::Gcp => {
                let prefixes = self.version.prefixes_credentials();
                let piece = if prefixes { piece!("signing/gcp") } else { piece!("signing/gcp_whole") };
                sheet.put(piece, &[("file", &scalar(self.gcp_token))])
            }
            Signing::File(path) => {
                let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
                let folder = if folder.is_empty() { "/" } else { folder };
                let (header, prefix) = self.header;
                let prefix = match prefix {
                    "" => String::new(),
                    _ if !self.version.prefixes_credentials() => String::new(),
                    prefix => format!("header_value_prefix: {}", scalar(prefix)),
                };
                let values = [
                    ("file", &*scalar(path)),
                    ("folder", &*scalar(folder)),
                    ("header", header),
                    ("prefix", &*prefix),
                ];
                sheet.put(piece!("signing/file"), &values)
            }
            Signing::Azure { tenant, client_id } => {
                let client_id = scalar(client_id);
                sheet.put(
                    piece!("signing/azure"),
                    &[("tenant", tenant), ("client_id", &client_id), ("entra", ENTRA)],
                )
            }
        };
        sheet.put(piece!("signing/injector"), &[("credential", &credential)])
    }
}

fn put_if(sheet: &mut Sheet, condition: bool, piece: &'static str) -> String {
    if condition { sheet.put(piece, &[]) } else { String::new() }
}

fn endpoint_of(sheet: &mut Sheet, endpoint: &Endpoint) -> String {
    let (host, port) = (scalar(&endpoint.host), endpoint.port.to_string());
    sheet.put(piece!("cluster/endpoint"), &[("host", &host), ("port", &port)])
}
