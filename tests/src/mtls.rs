//! Workloads with certificates: a CA of a day, the gateway's socket that asks for certificates, and callers that show them.
//!
//! A caller is an Envoy that puts TLS around what a plain client sends, as a sidecar does.

use crate::bootstrap::address;
use crate::envoy::Envoy;
use crate::process::Launch;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const COMMON: [&str; 9] =
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];

/// A CA and what it has signed.
#[derive(Debug)]
pub struct Workloads {
    folder: TempDir,
}

impl Default for Workloads {
    fn default() -> Self {
        Self::new()
    }
}

impl Workloads {
    /// A new CA, with a certificate for the gateway.
    ///
    /// # Panics
    /// If there is no `openssl`.
    #[must_use]
    pub fn new() -> Self {
        let workloads = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let ca = ["-subj", "/CN=ca", "-addext", "basicConstraints=critical,CA:true"];
        workloads.openssl("ca", &ca);
        workloads.certificate("gateway", "DNS:gateway.test");
        workloads
    }

    /// The socket of a listener that takes certificates of this CA, and callers without one.
    #[must_use]
    pub fn server_socket(&self) -> Value {
        json!({"name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": false,
            "common_tls_context": self.context(Some("gateway")),
        }})
    }

    /// What puts TLS around what is sent to `gateway`, with a certificate for this URI.
    ///
    /// # Panics
    /// If Envoy does not start.
    pub async fn caller(&self, gateway: &Envoy, uri: Option<&str>) -> Envoy {
        if let Some(uri) = uri {
            self.certificate("caller", &format!("URI:{uri}"));
        }
        let any = address(SocketAddr::from(([127, 0, 0, 1], 0)));
        let bootstrap = json!({
            "admin": {"address": any},
            "static_resources": {
                "listeners": [{
                    "name": "plain",
                    "address": any,
                    "filter_chains": [{"filters": [{"name": "tcp", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                        "stat_prefix": "plain", "cluster": "gateway",
                    }}]}],
                }],
                "clusters": [{
                    "name": "gateway",
                    "load_assignment": {"cluster_name": "gateway", "endpoints": [{"lb_endpoints": [
                        {"endpoint": {"address": address(gateway.address())}},
                    ]}]},
                    "transport_socket": {"name": "tls", "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                        "common_tls_context": self.context(uri.map(|_| "caller")),
                    }},
                }],
            },
        });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let launch =
            Launch { folder, bootstrap, overlay: None, workers: 1, environment: vec![], binary: None };
        match launch.start().await {
            Ok(envoy) => envoy,
            Err(refused) => panic!("Envoy exited with {:?}:\n{}", refused.code, refused.log),
        }
    }

    fn context(&self, own: Option<&str>) -> Value {
        let mut context = json!({"validation_context": {"trusted_ca": {"filename": self.file("ca", "pem")}}});
        if let Some(own) = own {
            // As texts: the next caller has a file of the same name.
            let text = |kind| std::fs::read_to_string(self.file(own, kind)).expect("it was made");
            context["tls_certificates"] = json!([{
                "certificate_chain": {"inline_string": text("pem")}, "private_key": {"inline_string": text("key")},
            }]);
        }
        context
    }

    fn certificate(&self, name: &str, alternative: &str) {
        let alternative = format!("subjectAltName={alternative}");
        let (ca, key) = (self.file("ca", "pem"), self.file("ca", "key"));
        let signed = ["-CA", path(&ca), "-CAkey", path(&key)];
        let plain =
            ["-subj", "/CN=workload", "-addext", &alternative, "-addext", "basicConstraints=CA:false"];
        self.openssl(name, &[&plain[..], &signed].concat());
    }

    fn openssl(&self, name: &str, arguments: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.args(COMMON).args(arguments);
        openssl.arg("-keyout").arg(self.file(name, "key")).arg("-out").arg(self.file(name, "pem"));
        let made = openssl.output().expect("openssl can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{kind}"))
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
