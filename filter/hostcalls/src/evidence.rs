//! Reads what Envoy has found out about the caller of the current stream. None of it can be written by a client.

use farebox_core::config::NameField;
use farebox_core::request::proof::Evidence;

/// That of the current stream.
#[derive(Clone, Copy, Debug)]
pub struct StreamEvidence;

impl Evidence for StreamEvidence {
    fn metadata(&self) -> Option<Vec<u8>> {
        crate::property("metadata").ok()
    }

    fn certificate(&self, field: NameField) -> Option<Vec<u8>> {
        let name = match field {
            NameField::Uri => "connection\0uri_san_peer_certificate",
            NameField::Dns => "connection\0dns_san_peer_certificate",
            NameField::Subject => "connection\0subject_peer_certificate",
        };
        // A connection with TLS and without a certificate has an empty subject.
        crate::property(name).ok().filter(|name| !name.is_empty())
    }
}
