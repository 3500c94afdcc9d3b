//! Decides who may talk to a gateway's pods in Kubernetes, and to whom they may talk.
//!
//! A gateway holds the keys of every provider, and its metrics name teams and models: so nothing is open that is not
//! needed, and what is needed follows from the providers, as everything else does.
//!
//! A policy knows addresses and pods, not names: a provider on the internet is a port, one in the cluster a namespace.

use std::collections::BTreeSet;
use std::net::IpAddr;

use farebox_core::config::Signing;

use super::sheet::{Sheet, scalar};
use super::site::Site;
use super::{Plan, open};

/// Who is let in.
#[derive(Debug, clap::Args)]
pub(super) struct Reach {
    /// Who may call: a namespace's name or label (NAME, LABEL=VALUE), or addresses (10.0.0.0/8); repeat for more
    #[arg(long, value_name = "WHO", value_parser = Callers::parse, default_value = "farebox=client")]
    callers: Vec<Callers>,
    /// Namespace that may read the metrics
    #[arg(long, value_name = "NAMESPACE", default_value = "monitoring")]
    monitoring: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Callers {
    /// Pods of the namespaces with this label.
    Labelled(String, String),
    /// Whoever has an address of this block.
    Block(String),
}

/// The pods of a gateway and what its form of Kubernetes makes of them.
#[derive(Debug)]
pub(super) struct Pods<'a> {
    pub(super) namespace: &'a str,
    /// What selects them, as YAML.
    pub(super) labels: &'a str,
    /// Where they listen for callers.
    pub(super) port: u16,
    /// Where they show their metrics.
    pub(super) metrics: u16,
    /// The namespace and the ports of who controls them.
    pub(super) control: Option<(&'a str, &'a [u16])>,
    /// Image that they fetch themselves.
    pub(super) fetched: Option<&'a str>,
}

/// Whom a gateway calls.
#[derive(Debug, Default)]
struct Targets {
    /// Ports of names outside of the cluster.
    public: BTreeSet<u16>,
    namespaces: BTreeSet<String>,
    addresses: BTreeSet<(IpAddr, u16)>,
    /// Networks in which nodes of the ledger may be.
    networks: BTreeSet<String>,
}

const NAME: &str = "kubernetes.io/metadata.name";

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!("policy/", $name, ".yaml"))
    };
}

/// The NetworkPolicy of a gateway.
pub(super) fn write(sheet: &mut Sheet, options: &Reach, plan: &Plan<'_>, pods: &Pods<'_>) -> String {
    let callers: Vec<String> = match sheet.is_open {
        true => vec![open::lines("callers")],
        false => options.callers.iter().map(Callers::write).collect(),
    };
    let control = pods.control.map(|(namespace, open)| {
        sheet.put(piece!("control"), &[("namespace", namespace), ("ports", &ports(open.iter().copied()))])
    });
    let targets = Targets::of(plan, pods).write(sheet, plan.sites);
    sheet.put(
        piece!("policy"),
        &[
            ("namespace", pods.namespace),
            ("pods", pods.labels),
            ("callers", &callers.join("\n")),
            ("port", &pods.port.to_string()),
            ("monitoring", &scalar(&options.monitoring)),
            ("metrics", &pods.metrics.to_string()),
            ("control", &control.unwrap_or_default()),
            ("targets", &targets),
        ],
    )
}

impl Reach {
    /// What a chart leaves open.
    pub(super) fn open() -> Self {
        Self { callers: Vec::new(), monitoring: open::text("monitoring") }
    }
}

impl Callers {
    fn parse(text: &str) -> Result<Self, String> {
        let is_block = text.split_once('/').is_some_and(|(address, bits)| {
            let most = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
            let address = address.parse().map(most);
            address.is_ok_and(|most| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
        });
        let is_word = |text: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._/-".contains(&byte);
            !text.is_empty() && text.bytes().all(known)
        };
        match text.split_once('=') {
            None if is_block => Ok(Self::Block(text.to_owned())),
            None if is_word(text) && !text.contains(['/', '.']) => {
                Ok(Self::Labelled(NAME.to_owned(), text.to_owned()))
            }
            Some((label, value)) if is_word(label) && is_word(value) => {
                Ok(Self::Labelled(label.to_owned(), value.to_owned()))
            }
            _ => Err("must be the name of a namespace, LABEL=VALUE, or addresses like 10.0.0.0/8".to_owned()),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Labelled(label, value) => {
                format!("- namespaceSelector: {{matchLabels: {{{}: {}}}}}", scalar(label), scalar(value))
            }
            Self::Block(block) => format!("- ipBlock: {{cidr: {}}}", scalar(block)),
        }
    }
}

impl Targets {
    fn of(plan: &Plan<'_>, pods: &Pods<'_>) -> Self {
        let (mut targets, sites) = (Self::default(), plan.sites);
        if let Some(ledger) = &plan.config.ledger {
            for endpoint in &ledger.endpoints {
                targets.add(&endpoint.host, endpoint.port, pods.namespace);
            }
            targets.networks.extend(ledger.settings.networks.iter().map(ToString::to_string));
        }
        for endpoint in sites.iter().flat_map(|site| site.endpoints) {
            targets.add(&endpoint.host, endpoint.port, pods.namespace);
        }
        // Whoever signs asks somebody for a token first.
        if sites.iter().any(|site| site.signing().is_some()) {
            targets.public.insert(443);
        }
        if let Some((registry, _)) = pods.fetched.and_then(|image| image.split_once('/')) {
            let (host, port) = registry.split_once(':').unwrap_or((registry, "443"));
            targets.add(host, port.parse().unwrap_or(443), pods.namespace);
        }
        targets
    }

    fn add(&mut self, host: &str, port: u16, own: &str) {
        let name = host.strip_suffix(".cluster.local").unwrap_or(host);
        let service = name.strip_suffix(".svc").and_then(|name| name.rsplit_once('.'));
        match (host.parse::<IpAddr>(), service) {
            // A container of the same pod.
            (Ok(address), _) if address.is_loopback() => {}
            (Ok(address), _) => drop(self.addresses.insert((address, port))),
            (Err(_), Some((_, namespace))) => drop(self.namespaces.insert(namespace.to_owned())),
            // A Service of the same namespace.
            (Err(_), None) if !host.contains('.') => drop(self.namespaces.insert(own.to_owned())),
            (Err(_), None) => drop(self.public.insert(port)),
        }
    }

    fn write(&self, sheet: &mut Sheet, sites: &[Site<'_>]) -> String {
        let mut rules = Vec::new();
        if !self.public.is_empty() {
            rules.push(sheet.put(piece!("public"), &[("ports", &ports(self.public.iter().copied()))]));
        }
        if sites.iter().any(|site| matches!(site.signing(), Some(Signing::Aws { .. }))) {
            rules.push(sheet.put(piece!("pod_identity"), &[]));
        }
        for namespace in &self.namespaces {
            rules.push(sheet.put(piece!("neighbours"), &[("namespace", &scalar(namespace))]));
        }
        for (address, port) in &self.addresses {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let cidr = scalar(&format!("{address}/{bits}"));
            rules.push(sheet.put(piece!("address"), &[("cidr", &cidr), ("port", &port.to_string())]));
        }
        for network in &self.networks {
            rules.push(sheet.put(piece!("network"), &[("cidr", &scalar(network))]));
        }
        rules.join("\n")
    }
}

fn ports(ports: impl Iterator<Item = u16>) -> String {
    ports.map(|port| format!("{{port: {port}, protocol: TCP}}")).collect::<Vec<_>>().join(", ")
}
