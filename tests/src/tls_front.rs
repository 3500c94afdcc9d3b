//! Speaks TLS in place of a Valkey that was built without: an Envoy that takes it off, with a certificate of a day.

use crate::bootstrap::address;
use crate::envoy::Envoy;
use crate::process::Launch;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name that the certificate is for.
pub const NAME: &str = "ledger.test";

/// What speaks TLS. Dropping it ends it.
pub struct TlsFront {
    envoy: Envoy,
}

impl TlsFront {
    /// Before what listens at `upstream`.
    ///
    /// # Panics
    /// If there is no `openssl`, or Envoy does not start.
    pub async fn before(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (certificate, key) = (certificate_in(folder.path()), folder.path().join("key.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=ledger.test", "-addext", "subjectAltName=DNS:ledger.test"]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        let made = openssl.output().expect("openssl can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let endpoint = json!({"endpoint": {"address": address(upstream)}});
        let bootstrap = json!({
            "admin": {"address": address(any_port())},
            "static_resources": {
                "listeners": [{
                    "name": "tls",
                    "address": address(any_port()),
                    "filter_chains": [{
                        "transport_socket": {"name": "tls", "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                            "common_tls_context": {"tls_certificates": [{
                                "certificate_chain": {"filename": certificate}, "private_key": {"filename": key},
                            }]},
                        }},
                        "filters": [{"name": "tcp", "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                            "stat_prefix": "tls", "cluster": "valkey",
                        }}],
                    }],
                }],
                "clusters": [{
                    "name": "valkey",
                    "load_assignment": {"cluster_name": "valkey", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }],
            },
        });
        let launch =
            Launch { folder, bootstrap, overlay: None, workers: 1, environment: vec![], binary: None };
        match launch.start().await {
            Ok(envoy) => Self { envoy },
            Err(refused) => panic!("Envoy exited with {:?}:\n{}", refused.code, refused.log),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    /// The file with its certificate, which is its own authority.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        certificate_in(self.envoy.folder())
    }
}

fn certificate_in(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
