//! Decides what Istio is told: where Farebox stands in the mesh, in which of Istio's forms, and how its providers are
//! reached.
//!
//! Does not know what a filter is made of (`mesh`) nor what a provider is called (`places`).

mod envoy_filter;

use std::path::PathBuf;

use farebox_core::config::{ConfigError, Endpoint};

use super::overload::Memory;
use super::places::{self, Place};
use super::sheet::{Sheet, scalar};
use super::version::Version;
use super::{Plan, image, ledger, lost, mesh, open, policy, scale};

/// Writes Istio's resources from a plugin configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    pub(super) file: PathBuf,
    /// Which of Istio's APIs has the filter
    #[arg(long, value_enum, default_value_t = Form::EnvoyFilter)]
    form: Form,
    /// Whether it stands in a gateway of its own, or in the sidecars of the applications
    #[arg(long, value_enum, default_value_t = Position::Gateway)]
    at: Position,
    /// Namespace of the gateway, or of the applications
    #[arg(long, default_value = "farebox")]
    namespace: String,
    /// Hostname of the gateway's listener, if callers have to name one (gateway)
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Image with the module, without a scheme, by its digest
    #[arg(long, value_parser = image::pinned, default_value = image::PLACEHOLDER)]
    image: String,
    /// Whether Istio's agent fetches the image, or it is mounted as a volume (Kubernetes 1.35 and later)
    #[arg(long, value_enum, default_value_t = Module::Fetch)]
    module: Module,
    /// Which Envoy the proxies are (`pilot-agent request GET server_info` in one); what an older one cannot do is left out,
    /// and said
    #[arg(long = "envoy", value_name = "VERSION", value_enum, default_value_t)]
    version: Version,
    /// Leave out the filter behind the router: every request has its first target only
    #[arg(long)]
    no_failover: bool,
    /// Secret with the providers' keys, each under the name of its variable
    #[arg(long, default_value = "farebox-providers")]
    secret: String,
    #[command(flatten)]
    policy: policy::Reach,
    #[command(flatten)]
    memory: Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    EnvoyFilter,
    WasmPlugin,
    TrafficExtension,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Position {
    Gateway,
    Sidecar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Module {
    Fetch,
    Mount,
}

impl Options {
    /// A gateway as a chart leaves it open.
    pub(super) fn open() -> Self {
        Self {
            file: PathBuf::new(),
            form: Form::EnvoyFilter,
            at: Position::Gateway,
            namespace: open::text("namespace"),
            hostname: None,
            image: open::text("image"),
            module: Module::Fetch,
            version: Version::default(),
            no_failover: false,
            secret: open::text("secret"),
            policy: policy::Reach::open(),
            memory: Memory::default(),
        }
    }

    /// Whether a request is sent to its next target when the first one fails.
    fn fails_over(&self) -> bool {
        !self.no_failover && self.version.fails_over()
    }

    /// What the proxies cannot do for `plan`, or are not told to.
    pub(super) fn lost(&self, plan: &Plan<'_>) -> Option<lost::Lost> {
        lost::with_control_plane(self.version, self.no_failover, plan)
    }
}

/// Most rules of an HTTPRoute.
const RULES: usize = 16;

/// What selects the pods that Istio makes of the Gateway.
const GATEWAY: &str = "{gateway.networking.k8s.io/gateway-name: farebox}";

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!("istio/", $name, ".yaml"))
    };
}

/// The resources, as YAML.
///
/// # Errors
/// Every member of the configuration that stands in the way.
pub(super) fn write(options: &Options, plan: &Plan<'_>) -> Result<String, Vec<ConfigError>> {
    let places = places::of(plan.sites)?;
    check(options, plan)?;
    let resources = Resources { options, plan, places: &places };
    Ok(resources.write(&mut plan.sheet()))
}

fn check(options: &Options, plan: &Plan<'_>) -> Result<(), Vec<ConfigError>> {
    let fail = |path: &str, message: &str| {
        Err(vec![ConfigError { path: path.to_owned(), message: message.to_owned() }])
    };
    if options.form != Form::EnvoyFilter && plan.config.headers_only.is_none() {
        let message = "is missing: this form cannot hold headers until a body is here, and without it every \
                       request with a body would be refused";
        return fail("headers_only", message);
    }
    if options.module == Module::Mount && (options.form, options.at) != (Form::EnvoyFilter, Position::Gateway)
    {
        return fail("", "a module can be mounted for an envoy-filter at a gateway only");
    }
    Ok(())
}

struct Resources<'a> {
    options: &'a Options,
    plan: &'a Plan<'a>,
    places: &'a [Place<'a>],
}

impl Resources<'_> {
    fn write(&self, sheet: &mut Sheet) -> String {
        let Options { form, at, .. } = self.options;
        let mut documents = match at {
            Position::Gateway => self.gateway(sheet),
            Position::Sidecar => {
                let tags = mesh::tags(sheet);
                vec![self.put(sheet, piece!("sidecar"), &[("tags", &tags)])]
            }
        };
        if *at == Position::Gateway {
            documents.push(self.policy(sheet));
        }
        for place in self.places {
            if !place.is_service {
                documents.push(self.entry(sheet, place));
            }
            documents.push(self.destination(sheet, place));
        }
        // A sidecar has every cluster, and the EnvoyFilter its own route; a route by a header is for the other forms.
        if *at == Position::Sidecar && *form != Form::EnvoyFilter {
            documents.push(self.virtual_service(sheet));
        }
        documents.push(match form {
            Form::EnvoyFilter => self.envoy_filter(sheet),
            Form::WasmPlugin => self.plugin(sheet, piece!("wasm_plugin")),
            Form::TrafficExtension => self.plugin(sheet, piece!("traffic_extension")),
        });
        documents.extend(self.ledger(sheet));
        // An EnvoyFilter says itself what is logged.
        if *form != Form::EnvoyFilter {
            documents.push(self.telemetry(sheet));
        }
        let what = match at {
            Position::Gateway => "in a gateway of its own.",
            Position::Sidecar => "in the sidecars of the applications.",
        };
        let source = self.plan.source.replace(char::is_control, " ");
        let head = lost::comment(self.options.lost(self.plan).as_ref());
        let head = sheet.put(piece!("head"), &[("what", what), ("arguments", &source), ("lost", &head)]);
        format!("{head}\n{}", documents.join("\n---\n"))
    }

    /// Puts down a piece that names the namespace.
    fn put(&self, sheet: &mut Sheet, piece: &'static str, values: &[(&str, &str)]) -> String {
        let namespace = [("namespace", &*self.options.namespace)];
        sheet.put(piece, &[&namespace, values].concat())
    }

    fn gateway(&self, sheet: &mut Sheet) -> Vec<String> {
        let env = mesh::environment(self.plan, &self.options.secret);
        let (mut mounts, mut volumes) = (String::new(), String::new());
        if self.options.module == Module::Mount {
            mounts = format!("- {{name: farebox-module, mountPath: {}, readOnly: true}}", mesh::MOUNT);
            let image = scalar(&self.options.image);
            volumes = format!(
                "- {{name: farebox-module, image: {{reference: {image}, pullPolicy: IfNotPresent}}}}"
            );
        }
        let tags = mesh::tags(sheet);
        let overload = self.options.memory.manager(sheet, false);
        let memory = self.options.memory.container_mib(sheet);
        let scale = scale::of(self.plan, GATEWAY);
        let (hostname, probe_host) = match &self.options.hostname {
            None if sheet.is_open => (open::part("hostname"), open::part("probe_host")),
            None => Default::default(),
            Some(host) => (format!(", hostname: {}", scalar(host)), mesh::probe_host(host)),
        };
        let values = [
            ("spread", &*scale.spread),
            ("scale_note", scale.note),
            ("least", &scale.least),
            ("most", &scale.most),
            ("hostname", &hostname),
            ("probe_host", &probe_host),
            ("env", &env),
            ("mounts", &mounts),
            ("volumes", &volumes),
            ("tags", &tags),
            ("overload", &overload),
            ("memory", &memory),
        ];
        let mut documents = vec![self.put(sheet, piece!("gateway"), &values)];
        let note = match self.options.form {
            Form::EnvoyFilter => {
                "# The EnvoyFilter's route comes before these; without them Istio would not send the clusters along."
            }
            Form::WasmPlugin | Form::TrafficExtension => "",
        };
        for (number, places) in (1..).zip(self.places.chunks(RULES)) {
            let rule = |place: &Place<'_>| {
                let rewrite = match self.options.form {
                    // The EnvoyFilter's own route does.
                    Form::EnvoyFilter => String::new(),
                    _ => mesh::rewrite(sheet, place.site.provider),
                };
                let (name, host, port) = (scalar(place.name), scalar(&place.host), place.port.to_string());
                let values = [("name", &*name), ("host", &host), ("port", &port), ("rewrite", &rewrite)];
                sheet.put(piece!("rule"), &values)
            };
            let rules: Vec<String> = places.iter().map(rule).collect();
            let name = if number == 1 { "farebox".to_owned() } else { format!("farebox-{number}") };
            let values = [("name", &*name), ("note", note), ("rules", &rules.join("\n"))];
            documents.push(self.put(sheet, piece!("route"), &values));
        }
        documents
    }

    /// Whom Istio's agent asks for its configuration, where it shows its metrics, and what it fetches.
    fn policy(&self, sheet: &mut Sheet) -> String {
        let is_fetched = self.options.module == Module::Fetch;
        let pods = policy::Pods {
            namespace: &self.options.namespace,
            labels: GATEWAY,
            port: 80,
            metrics: 15_020,
            control: Some(("istio-system", &[15_012])),
            fetched: is_fetched.then_some(&*self.options.image),
        };
        policy::write(sheet, &self.options.policy, self.plan, &pods)
    }

    fn entry(&self, sheet: &mut Sheet, place: &Place<'_>) -> String {
        let is_tls = place.site.tls.is_some();
        let endpoint = |endpoint: &Endpoint| {
            let (host, port) = (scalar(&endpoint.host), endpoint.port);
            let name = if is_tls { "https" } else { "http" };
            format!("- {{address: {host}, ports: {{{name}: {port}}}}}")
        };
        let endpoints = if place.has_endpoints() {
            let all: Vec<String> = place.site.endpoints.iter().map(endpoint).collect();
            format!("endpoints:\n{}", all.join("\n"))
        } else {
            String::new()
        };
        let resolution = match (place.is_static(), place.has_endpoints(), is_tls) {
            (true, ..) => "STATIC",
            // Public names answer differently each time they are asked: one address at a time.
            (false, false, true) => "DNS_ROUND_ROBIN",
            _ => "DNS",
        };
        let (port_name, protocol) = if is_tls { ("https", "HTTPS") } else { ("http", "HTTP") };
        self.put(
            sheet,
            piece!("entry"),
            &[
                ("resource", &place.resource),
                ("host", &scalar(&place.host)),
                ("resolution", resolution),
                ("port", &place.port.to_string()),
                ("port_name", port_name),
                ("protocol", protocol),
                ("endpoints", &endpoints),
            ],
        )
    }

    fn destination(&self, sheet: &mut Sheet, place: &Place<'_>) -> String {
        let balancing = if place.is_service || place.site.is_pool() {
            sheet.put(piece!("balancing"), &[])
        } else {
            String::new()
        };
        let tls = place.site.tls.map(|sni| sheet.put(piece!("tls"), &[("sni", &scalar(sni))]));
        // Engines behind uvicorn close an idle connection after 5 seconds; load balancers after a minute.
        let (connect, idle) = if tls.is_some() { ("5s", "50s") } else { ("1s", "4s") };
        self.put(
            sheet,
            piece!("destination"),
            &[
                ("resource", &place.resource),
                ("host", &scalar(&place.host)),
                ("balancing", &balancing),
                ("connect", connect),
                ("idle", idle),
                ("tls", &tls.unwrap_or_default()),
            ],
        )
    }

    fn virtual_service(&self, sheet: &mut Sheet) -> String {
        let rule = |place: &Place<'_>| {
            let authority = scalar(&place.site.provider.authority);
            let (name, host, port) = (scalar(place.name), scalar(&place.host), place.port.to_string());
            let values = [("name", &*name), ("host", &host), ("port", &port), ("authority", &authority)];
            sheet.put(piece!("service_rule"), &values)
        };
        let rules: Vec<String> = self.places.iter().map(rule).collect();
        self.put(sheet, piece!("virtual_service"), &[("rules", &rules.join("\n"))])
    }

    fn plugin(&self, sheet: &mut Sheet, piece: &'static str) -> String {
        let target = match self.options.at {
            Position::Gateway => sheet.put(piece!("target_gateway"), &[]),
            Position::Sidecar => sheet.put(piece!("target_sidecar"), &[]),
        };
        let variables = super::bootstrap::variables(self.plan.config, self.plan.providers);
        let env: Vec<String> =
            variables.iter().map(|name| format!("- {{name: {name}, valueFrom: HOST}}")).collect();
        let vm = match env.is_empty() {
            true => String::new(),
            false => sheet.put(piece!("vm"), &[("env", &env.join("\n"))]),
        };
        let image = scalar(&format!("oci://{}", self.options.image));
        let (_, configuration) = self.plan.block();
        let values =
            [("target", &*target), ("image", &image), ("vm", &vm), ("configuration", &configuration)];
        self.put(sheet, piece, &values)
    }

    /// Who writes a line for each request.
    fn telemetry(&self, sheet: &mut Sheet) -> String {
        let (target, only) = match self.options.at {
            Position::Gateway => (sheet.put(piece!("target_gateway"), &[]), String::new()),
            Position::Sidecar => {
                let selector = "selector: {matchLabels: {farebox: client}}".to_owned();
                (selector, sheet.put(piece!("telemetry_sidecar"), &[]))
            }
        };
        self.put(sheet, piece!("telemetry"), &[("target", &target), ("only", &only)])
    }

    /// The context and the labels of the proxies that are patched.
    fn where_patched(&self) -> (&'static str, &'static str) {
        match self.options.at {
            Position::Gateway => ("GATEWAY", GATEWAY),
            Position::Sidecar => ("SIDECAR_OUTBOUND", "{farebox: client}"),
        }
    }

    /// The clusters for the ledger, if there is one.
    fn ledger(&self, sheet: &mut Sheet) -> Option<String> {
        let (context, labels) = self.where_patched();
        let mut patches = Vec::new();
        for cluster in ledger::clusters(sheet, self.plan) {
            let values = [("context", context), ("cluster", &*cluster.yaml)];
            patches.push(sheet.put(piece!("ledger_cluster"), &values));
        }
        let values = [("labels", labels), ("patches", &patches.join("\n"))];
        (!patches.is_empty()).then(|| self.put(sheet, piece!("ledger"), &values))
    }
}
