//! Decides what a Kubernetes cluster without a mesh is told: a Deployment of a stock Envoy with Farebox, and what
//! belongs to it.
//!
//! Does not decide how that Envoy is configured: see `bootstrap`.

use std::path::PathBuf;

use super::overload::Memory;
use super::sheet::scalar;
use super::version::Version;
use super::{CA, Plan, bootstrap, image, mesh, open, policy, scale};

/// Image of Envoy, with a shell.
pub(super) const ENVOY: &str = "docker.io/envoyproxy/envoy:v1.40.0";

/// Writes a Deployment of Envoy and what belongs to it from a plugin configuration.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Plugin configuration, JSON or YAML; - reads the standard input
    pub(super) file: PathBuf,
    #[arg(long, default_value = "farebox", help = "Namespace of it all")]
    namespace: String,
    /// Image with the module, by its digest
    #[arg(long, value_parser = image::pinned, default_value = image::PLACEHOLDER)]
    image: String,
    /// Whether the image is mounted (Kubernetes 1.35 and later), or the module comes out of a ConfigMap
    #[arg(long, value_enum, default_value_t = Module::Image)]
    module: Module,
    /// Image of Envoy, with a shell if the module comes out of a ConfigMap
    #[arg(long, value_name = "IMAGE", default_value = ENVOY)]
    envoy: String,
    /// Which Envoy that is, unless the tag of its image says so; what an older one cannot do is left out, and said
    #[arg(long, value_name = "VERSION", value_enum)]
    envoy_version: Option<Version>,
    /// Secret with the providers' keys, each under the name of its variable
    #[arg(long, default_value = "farebox-providers")]
    secret: String,
    #[command(flatten)]
    policy: policy::Reach,
    #[command(flatten)]
    memory: Memory,
}

impl Options {
    /// What a chart leaves open.
    pub(super) fn open() -> Self {
        Self {
            file: PathBuf::new(),
            namespace: open::text("namespace"),
            image: open::text("image"),
            module: Module::Open,
            envoy: open::text("envoy"),
            envoy_version: Some(Version::default()),
            secret: open::text("secret"),
            policy: policy::Reach::open(),
            memory: Memory::default(),
        }
    }

    /// Which Envoy it is for.
    pub(super) fn version(&self) -> Version {
        self.envoy_version.or_else(|| Version::of_image(&self.envoy)).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Module {
    Image,
    ConfigMap,
    /// Whichever a chart is told.
    #[value(skip)]
    Open,
}

/// Where the pod listens for callers, and where it shows its metrics.
const PORT: u16 = 10_000;
const METRICS: u16 = 9_902;

macro_rules! piece {
    ($name:literal) => {
        include_str!(concat!("plain/", $name, ".yaml"))
    };
}

/// The resources, as YAML.
pub(super) fn write(options: &Options, plan: &Plan<'_>) -> String {
    let mut sheet = plan.sheet();
    let envoy = super::Options {
        file: PathBuf::new(),
        wasm: format!("{}/{}", mesh::MOUNT, mesh::MODULE),
        address: ([0, 0, 0, 0], PORT).into(),
        admin: ([127, 0, 0, 1], 9_901).into(),
        metrics: Some(([0, 0, 0, 0], METRICS).into()),
        ca: CA.to_owned(),
        gcp_token: "/etc/envoy/gcp-token.json".to_owned(),
        version: options.version(),
        memory: options.memory,
    };
    let bootstrap = bootstrap::write(&envoy, plan);
    let pods = policy::Pods {
        namespace: &options.namespace,
        labels: "{app: farebox}",
        port: PORT,
        metrics: METRICS,
        control: None,
        fetched: None,
    };
    let policy = policy::write(&mut sheet, &options.policy, plan, &pods);
    let (image, engine) = (scalar(&options.image), scalar(&options.envoy));
    let mut put = |is_wanted: bool, piece: &'static str| {
        let values = [
            ("image", &*image),
            ("envoy", &engine),
            ("namespace", &options.namespace),
            ("mount", mesh::MOUNT),
            ("module", mesh::MODULE),
        ];
        if is_wanted { sheet.put(piece, &values) } else { String::new() }
    };
    let module = options.module;
    let mounted = put(module != Module::ConfigMap, piece!("image"));
    let unpacked = put(module != Module::Image, piece!("config_map"));
    let init = put(module != Module::Image, piece!("init"));
    let (volumes, init) = match module {
        Module::Image => (mounted, init),
        Module::ConfigMap => (unpacked, init),
        Module::Open => (
            sheet.put(piece!("either"), &[("mounted", &mounted), ("unpacked", &unpacked)]),
            sheet.put(piece!("either_init"), &[("init", &init)]),
        ),
    };
    let scale = scale::of(plan, "{app: farebox}");
    let env = mesh::environment(plan, &options.secret);
    let env = if env.is_empty() { env } else { format!("env:\n{env}") };
    sheet.put(
        piece!("resources"),
        &[
            ("source", &plan.source.replace(char::is_control, " ")),
            ("namespace", &options.namespace),
            ("bootstrap", &bootstrap),
            ("init", &init),
            ("envoy_note", image::note(&options.envoy)),
            ("envoy", &engine),
            ("env", &env),
            ("mount", mesh::MOUNT),
            ("memory", &options.memory.container_mib(&sheet)),
            ("volumes", &volumes),
            ("policy", &policy),
            ("scale_note", scale.note),
            ("least", &scale.least),
            ("most", &scale.most),
            ("spread", &scale.spread),
            ("port", &PORT.to_string()),
            ("metrics", &METRICS.to_string()),
        ],
    )
}
