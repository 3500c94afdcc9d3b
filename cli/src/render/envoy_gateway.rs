//! Decides what Envoy Gateway is told: a gateway of Farebox's own, in which of its forms the filter is put there, and how
//! its providers are reached.
//!
//! Does not know what a filter is made of (`mesh`) nor what a provider is called (`places`).

use std::path::PathBuf;

use farebox_core::config::{ConfigError, Endpoint};

use super::overload::Memory;
use super::places::{self, Place};
use super::sheet::{Sheet, scalar};
use super::version::Version;
use super::{Plan, image, ledger, lost, mesh, open, policy, scale};

/// Image of Envoy.
pub(super) const ENVOY: &str = "docker.io/envoyproxy/envoy:distroless-v1.40.0";

/// Writes Envoy Gateway's resources from a plugin configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    pub(super) file: PathBuf,
    /// Which of Envoy Gateway's APIs has the filter
    #[arg(long, value_enum, default_value_t = Form::PatchPolicy)]
    form: Form,
    /// Namespace of the gateway
    #[arg(long, default_value = "farebox")]
    namespace: String,
    /// The cluster's GatewayClass of Envoy Gateway
    #[arg(long, value_name = "NAME", default_value = "eg")]
    gateway_class: String,
    /// Hostname of the gateway's listener, if callers have to name one
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Image with the module, without a scheme, by its digest
    #[arg(long, value_parser = image::pinned, default_value = image::PLACEHOLDER)]
    image: String,
    /// Image of Envoy
    #[arg(long, value_name = "IMAGE", default_value = ENVOY)]
    envoy: String,
    /// Which Envoy that is, unless the tag of its image says so; what an older one cannot do is left out, and said
    #[arg(long, value_name = "VERSION", value_enum)]
    envoy_version: Option<Version>,
    /// Leave out the filter behind the router: every request has its first target only
    #[arg(long)]
    no_failover: bool,
    /// Secret with the providers' keys, each under the name of its variable
    #[arg(long, default_value = "farebox-providers")]
    secret: String,
    #[command(flatten)]
    policy: policy::Reach,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    PatchPolicy,
    ExtensionPolicy,
}

impl Options {
    /// A gateway as a chart leaves it open.
    pub(super) fn open() -> Self {
        Self {
            file: PathBuf::new(),
            form: Form::PatchPolicy,
            namespace: open::text("namespace"),
            gateway_class: open::text("gateway_class"),
            hostname: None,
            image: open::text("image"),
            envoy: open::text("envoy"),
            envoy_version: Some(Version::default()),
            no_failover: false,
            secret: open::text("secret"),
            policy: policy::Reach::open(),
        }
    }

    fn version(&self) -> Version {
        self.envoy_version.or_else(|| Version::of_image(&self.envoy)).unwrap_or_default()
    }

    /// Whether a request is sent to its next target when the first one fails.
    fn fails_over(&self) -> bool {
        !self.no_failover && self.version().fails_over()
    }

    /// What this Envoy cannot do for `plan`, or is not told to.
    pub(super) fn lost(&self, plan: &Plan<'_>) -> Option<lost::Lost> {
        lost::with_control_plane(self.version(), self.no_failover, plan)
    }
}

/// What selects the pods that Envoy Gateway makes of the Gateway.
const PODS: &str = "{gateway.envoyproxy.io/owning-gateway-name: farebox}";

/// Most rules of an HTTPRoute.
const RULES: usize = 16;

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!("envoy_gateway/", $name, ".yaml"))
    };
}

/// The resources, as YAML.
///
/// # Errors
/// Every member of the configuration that stands in the way.
pub(super) fn write(options: &Options, plan: &Plan<'_>) -> Result<String, Vec<ConfigError>> {
    let places = places::of(plan.sites)?;
    let fail = |path: &str, message: String| Err(vec![ConfigError { path: path.to_owned(), message }]);
    if options.form == Form::ExtensionPolicy && plan.config.headers_only.is_none() {
        let message = "is missing: an EnvoyExtensionPolicy cannot hold headers until a body is here, and without \
                       it every request with a body would be refused";
        return fail("headers_only", message.to_owned());
    }
    if places.len() > RULES {
        return fail(
            "providers",
            format!("must be at most {RULES} clusters: as many rules has an HTTPRoute"),
        );
    }
    let resources = Resources { options, plan, places: &places };
    Ok(resources.write(&mut plan.sheet()))
}

struct Resources<'a> {
    options: &'a Options,
    plan: &'a Plan<'a>,
    places: &'a [Place<'a>],
}

impl Resources<'_> {
    fn write(&self, sheet: &mut Sheet) -> String {
        let mut documents = vec![self.gateway(sheet), self.policy(sheet)];
        for place in self.places {
            documents.push(self.backend(sheet, place));
            if let Some(sni) = place.site.tls {
                let values = [("resource", &*place.resource), ("sni", &scalar(sni))];
                documents.push(self.put(sheet, piece!("tls"), &values));
            }
        }
        documents.push(self.route(sheet));
        let nowhere = match self.options.form {
            Form::PatchPolicy => piece!("patched"),
            Form::ExtensionPolicy => piece!("nowhere"),
        };
        documents.push(self.put(sheet, nowhere, &[]));
        documents.push(match self.options.form {
            Form::PatchPolicy => self.patch_policy(sheet),
            Form::ExtensionPolicy => self.extension_policy(sheet),
        });
        documents.extend(self.ledger(sheet));
        let source = self.plan.source.replace(char::is_control, " ");
        let head = lost::comment(self.options.lost(self.plan).as_ref());
        let head = sheet.put(piece!("head"), &[("source", &source), ("lost", &head)]);
        format!("{head}\n{}", documents.join("\n---\n"))
    }

    /// Puts down a piece that names the namespace.
    fn put(&self, sheet: &mut Sheet, piece: &'static str, values: &[(&str, &str)]) -> String {
        let namespace = [("namespace", &*self.options.namespace)];
        sheet.put(piece, &[&namespace, values].concat())
    }

    fn gateway(&self, sheet: &mut Sheet) -> String {
        let env = mesh::environment(self.plan, &self.options.secret);
        let env = if env.is_empty() { env } else { format!("env:\n{env}") };
        // Envoy Gateway itself fetches the module of an extension policy, and hands it to Envoy.
        let (mut mounts, mut pod) = (String::new(), String::new());
        if self.options.form == Form::PatchPolicy {
            let image = scalar(&self.options.image);
            mounts =
                format!("volumeMounts:\n- {{name: farebox, mountPath: {}, readOnly: true}}", mesh::MOUNT);
            pod = format!(
                "volumes:\n# Kubernetes 1.35 and later mount images.\n\
                 - {{name: farebox, image: {{reference: {image}, pullPolicy: IfNotPresent}}}}"
            );
        }
        let telemetry = match self.options.form {
            Form::PatchPolicy => {
                "# The policy below has a line written for each request.\ntelemetry: {accessLog: {disable: true}}"
                    .to_owned()
            }
            Form::ExtensionPolicy => {
                let line = mesh::log_line(sheet);
                sheet.put(piece!("telemetry"), &[("line", &line)])
            }
        };
        let scale = scale::of(self.plan, PODS);
        let open = if sheet.is_open { open::lines("envoy_gateway_pod") } else { String::new() };
        let pod = [&*scale.spread, &*pod, &*open].iter().filter(|part| !part.is_empty()).fold(
            String::new(),
            |pod, part| {
                let lines = part.replace('\n', "\n  ");
                if pod.is_empty() { format!("pod:\n  {lines}") } else { format!("{pod}\n  {lines}") }
            },
        );
        let (hostname, probe_host) = match self.options.hostname.as_deref() {
            None if sheet.is_open => (open::part("hostname"), open::part("probe_host")),
            None => <_>::default(),
            Some(host) => (format!(", hostname: {}", scalar(host)), mesh::probe_host(host)),
        };
        let (class, tags) = (scalar(&self.options.gateway_class), mesh::tags(sheet));
        let values = [
            ("class", &*class),
            ("env", &env),
            ("mounts", &mounts),
            ("pod", &pod),
            ("memory", &Memory::default().container_mib(sheet)),
            ("tags", &tags),
            ("telemetry", &telemetry),
            ("scale_note", scale.note),
            ("least", &scale.least),
            ("most", &scale.most),
            ("hostname", &hostname),
            ("probe_host", &probe_host),
            ("envoy_note", image::note(&self.options.envoy)),
            ("envoy", &scalar(&self.options.envoy)),
        ];
        self.put(sheet, piece!("gateway"), &values)
    }

    /// Envoy Gateway has Envoy listen ten thousand higher, because the low ports are root's; it hands out what it fetched.
    fn policy(&self, sheet: &mut Sheet) -> String {
        let pods = policy::Pods {
            namespace: &self.options.namespace,
            labels: PODS,
            port: 10_080,
            metrics: 19_001,
            control: Some(("envoy-gateway-system", &[18_000, 18_002])),
            fetched: None,
        };
        policy::write(sheet, &self.options.policy, self.plan, &pods)
    }

    fn backend(&self, sheet: &mut Sheet, place: &Place<'_>) -> String {
        let endpoint = |endpoint: &Endpoint| {
            let (host, port) = (scalar(&endpoint.host), endpoint.port);
            match endpoint.host.parse::<std::net::IpAddr>() {
                Ok(_) => format!("- ip: {{address: {host}, port: {port}}}"),
                Err(_) => format!("- fqdn: {{hostname: {host}, port: {port}}}"),
            }
        };
        let endpoints: Vec<String> = place.site.endpoints.iter().map(endpoint).collect();
        let values = [("resource", &*place.resource), ("endpoints", &endpoints.join("\n"))];
        self.put(sheet, piece!("backend"), &values)
    }

    fn route(&self, sheet: &mut Sheet) -> String {
        let rule = |place: &Place<'_>| {
            let rewrite = match self.options.form {
                // The policy's own route does.
                Form::PatchPolicy => String::new(),
                Form::ExtensionPolicy => mesh::rewrite(sheet, place.site.provider),
            };
            let name = scalar(place.name);
            let header = self.header();
            let values =
                [("name", &*name), ("resource", &place.resource), ("rewrite", &rewrite), ("header", header)];
            sheet.put(piece!("rule"), &values)
        };
        let rules: Vec<String> = self.places.iter().map(rule).collect();
        let note = match self.options.form {
            Form::PatchPolicy => {
                "# Nobody sends this header. Without these rules there would be no clusters."
            }
            Form::ExtensionPolicy => "# Routes by the header that the filter sets.",
        };
        self.put(sheet, piece!("route"), &[("note", note), ("rules", &rules.join("\n"))])
    }

    /// The header that rules go by.
    fn header(&self) -> &'static str {
        match self.options.form {
            Form::PatchPolicy => "x-farebox-backend",
            Form::ExtensionPolicy => "x-farebox-cluster",
        }
    }

    fn patch_policy(&self, sheet: &mut Sheet) -> String {
        let fails_over = self.options.fails_over();
        let attempts = if fails_over {
            let code = mesh::local(sheet);
            let attempt = mesh::attempt(sheet, self.plan, &code);
            sheet.put(piece!("attempts"), &[("attempt", &attempt)])
        } else {
            String::new()
        };
        let code = mesh::local(sheet);
        let gateway = mesh::gateway(sheet, self.plan, &code);
        let mut clusters = Vec::with_capacity(self.places.len());
        for (rule, place) in self.places.iter().enumerate() {
            clusters.push((place.name, format!("httproute/{}/farebox/rule/{rule}", self.options.namespace)));
        }
        let version = self.options.version();
        let action = mesh::action(sheet, self.plan, &clusters, version, fails_over);
        let [host_header, _] = mesh::host(sheet, version);
        let host_header = match host_header.is_empty() {
            true => host_header,
            false => self.put(sheet, piece!("host_header"), &[]),
        };
        let early = mesh::early(sheet, self.plan);
        let early = early.map(|early| sheet.put(piece!("early"), &[("early", &early)])).unwrap_or_default();
        let access_log = format!("- {}", mesh::access_log(sheet).replace('\n', "\n  "));
        let stream_idle = mesh::stream_idle(self.plan, fails_over);
        self.put(
            sheet,
            piece!("patch_policy"),
            &[
                ("attempts", &attempts),
                ("gateway", &gateway),
                ("stream_idle", &stream_idle),
                ("access_log", &access_log),
                ("early", &early),
                ("action", &action),
                ("host_header", &host_header),
            ],
        )
    }

    /// The clusters for the ledger, if there is one.
    fn ledger(&self, sheet: &mut Sheet) -> Option<String> {
        let mut patches = Vec::new();
        for cluster in ledger::clusters(sheet, self.plan) {
            let values = [("name", &*scalar(&cluster.name)), ("cluster", &cluster.yaml)];
            patches.push(sheet.put(piece!("ledger_cluster"), &values));
        }
        (!patches.is_empty()).then(|| self.put(sheet, piece!("ledger"), &[("patches", &patches.join("\n"))]))
    }

    fn extension_policy(&self, sheet: &mut Sheet) -> String {
        let variables = super::bootstrap::variables(self.plan.config, self.plan.providers).join(", ");
        let env = match variables.is_empty() {
            true => String::new(),
            false => format!("env: {{hostKeys: [{variables}]}}"),
        };
        let (image, (_, configuration)) = (scalar(&self.options.image), self.plan.block());
        let values = [("image", &*image), ("env", &env), ("configuration", &configuration)];
        self.put(sheet, piece!("extension_policy"), &values)
    }
}
