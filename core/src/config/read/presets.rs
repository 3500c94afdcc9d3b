//! Decides what is known of well-known providers, so that an operator need not look it up.
//!
//! A row says whose paths a provider serves, at which host, what stands in place of the API's root there
//! and which header carries a key. A provider has one `base_path` for all its dialects: where two dialects
//! of one provider have roots that no single path leads to, there are two rows. Each row names the page of
//! the provider's documentation that it was taken from.
//!
//! Does not know models or prices: see `price`.

use crate::config::StatedCost;
use crate::dialect::Api;

/// What is known of a provider.
#[derive(Debug)]
pub(in crate::config) struct Preset {
    /// What the configuration calls it.
    pub name: &'static str,
    /// Whose paths it serves.
    pub apis: &'static [Api],
    /// Where.
    pub host: Host,
    /// What stands in place of the API's root; `None` if the root is its own.
    pub base_path: Option<&'static str>,
    /// The header that carries a key, and what comes before the key; `None`: the one of the API.
    pub header: Option<(&'static str, &'static str)>,
    /// Whether it takes `stream_options.include_usage`, and needs it to report usage in a stream.
    pub include_usage: bool,
    /// The provider in the price list; `None` for what runs on the operator's own machines.
    pub catalogue: Option<&'static str>,
    /// What to make of a cost that its answers state: `Charge` where its documentation says that it is what is billed.
    pub stated_cost: StatedCost,
    /// How it may be authenticated to, as an example, if it is certain that it must be.
    pub credentials: Option<&'static str>,
}

/// Where a provider is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) enum Host {
    /// At a host of its own.
    At(&'static str),
    /// At a host that is named after the customer or the region, like this one.
    Like(&'static str),
    /// Wherever the operator runs it.
    Anywhere,
}

const BEARER: Option<(&str, &str)> = Some(("authorization", "Bearer "));
const AWS: Option<&str> = Some(r#"{"envoy": "aws", "region": "eu-west-1"}"#);

/// Every server that speaks OpenAI's dialect, under `/v1` of a host of its own, and no other.
const OPENAI_LIKE: Preset = Preset {
    name: "",
    apis: &[Api::OpenAi],
    host: Host::Anywhere,
    base_path: None,
    header: None,
    include_usage: true,
    catalogue: None,
    stated_cost: StatedCost::Compare,
    credentials: None,
};

/// Every preset.
pub(in crate::config) static PRESETS: [Preset; 25] = [
    // https://platform.openai.com/docs/api-reference/introduction
    Preset { name: "openai", host: Host::At("api.openai.com"), catalogue: Some("openai"), ..OPENAI_LIKE },
    // https://learn.microsoft.com/azure/ai-foundry/openai/reference: `/openai/deployments/…` and `/openai/v1/…`
    Preset {
        name: "azure",
        apis: &[Api::Azure],
        host: Host::Like("my-resource.openai.azure.com"),
        catalogue: Some("azure"),
        ..OPENAI_LIKE
    },
    // https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: for clients of OpenAI
    Preset {
        name: "azure-openai",
        host: Host::Like("my-resource.openai.azure.com"),
        base_path: Some("/openai/v1"),
        header: Some(("api-key", "")),
        catalogue: Some("azure"),
        ..OPENAI_LIKE
    },
    // https://platform.claude.com/docs/en/api/overview and …/api/openai-sdk
    Preset {
        name: "anthropic",
        apis: &[Api::Anthropic, Api::OpenAi],
        host: Host::At("api.anthropic.com"),
        catalogue: Some("anthropic"),
        ..OPENAI_LIKE
    },
    // https://ai.google.dev/api
    Preset {
        name: "gemini",
        apis: &[Api::Gemini],
        host: Host::At("generativelanguage.googleapis.com"),
        catalogue: Some("google"),
        ..OPENAI_LIKE
    },
    // https://ai.google.dev/gemini-api/docs/openai
    Preset {
        name: "gemini-openai",
        host: Host::At("generativelanguage.googleapis.com"),
        base_path: Some("/v1beta/openai"),
        catalogue: Some("google"),
        ..OPENAI_LIKE
    },
    // https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
    Preset {
        name: "vertex",
        apis: &[Api::Vertex],
        host: Host::Like("europe-west1-aiplatform.googleapis.com"),
        catalogue: Some("google"),
        credentials: Some(r#"{"envoy": "gcp"}"#),
        ..OPENAI_LIKE
    },
    // https://docs.aws.amazon.com/general/latest/gr/bedrock.html
    Preset {
        name: "bedrock",
        apis: &[Api::Bedrock],
        host: Host::Like("bedrock-runtime.eu-west-1.amazonaws.com"),
        catalogue: Some("aws"),
        credentials: AWS,
        ..OPENAI_LIKE
    },
    // https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html
    Preset {
        name: "bedrock-openai",
        host: Host::Like("bedrock-runtime.eu-west-1.amazonaws.com"),
        base_path: Some("/openai/v1"),
        catalogue: Some("aws"),
        credentials: AWS,
        ..OPENAI_LIKE
    },
    // https://docs.mistral.ai/api: answers 422 to include_usage, and reports usage without being asked
    Preset {
        name: "mistral",
        host: Host::At("api.mistral.ai"),
        include_usage: false,
        catalogue: Some("mistral"),
        ..OPENAI_LIKE
    },
    // https://console.groq.com/docs/openai
    Preset {
        name: "groq",
        host: Host::At("api.groq.com"),
        base_path: Some("/openai/v1"),
        catalogue: Some("groq"),
        ..OPENAI_LIKE
    },
    // https://api-docs.deepseek.com/
    Preset {
        name: "deepseek",
        host: Host::At("api.deepseek.com"),
        catalogue: Some("deepseek"),
        ..OPENAI_LIKE
    },
    // https://api-docs.deepseek.com/guides/anthropic_api
    Preset {
        name: "deepseek-anthropic",
        apis: &[Api::Anthropic],
        host: Host::At("api.deepseek.com"),
        base_path: Some("/anthropic/v1"),
        catalogue: Some("deepseek"),
        ..OPENAI_LIKE
    },
    // https://docs.x.ai/docs/api-reference; its Messages are deprecated. https://docs.x.ai/developers/cost-tracking
    Preset {
        name: "xai",
        host: Host::At("api.x.ai"),
        catalogue: Some("x-ai"),
        stated_cost: StatedCost::Charge,
        ..OPENAI_LIKE
    },
    // https://docs.cohere.com/reference/chat
    Preset {
        name: "cohere",
        apis: &[Api::Cohere],
        host: Host::At("api.cohere.com"),
        catalogue: Some("cohere"),
        ..OPENAI_LIKE
    },
    // https://docs.cohere.com/docs/compatibility-api: refuses stream_options
    Preset {
        name: "cohere-openai",
        host: Host::At("api.cohere.ai"),
        base_path: Some("/compatibility/v1"),
        include_usage: false,
        catalogue: Some("cohere"),
        ..OPENAI_LIKE
    },
    // https://docs.together.ai/docs/inference/openai-compatibility
    Preset {
        name: "together",
        host: Host::At("api.together.ai"),
        catalogue: Some("together"),
        ..OPENAI_LIKE
    },
    // https://docs.fireworks.ai/tools-sdks/openai-compatibility and …/anthropic-compatibility
    Preset {
        name: "fireworks",
        apis: &[Api::OpenAi, Api::Anthropic],
        host: Host::At("api.fireworks.ai"),
        base_path: Some("/inference/v1"),
        header: BEARER,
        catalogue: Some("fireworks"),
        ..OPENAI_LIKE
    },
    // https://openrouter.ai/docs/api-reference/overview; …/use-cases/usage-accounting: the cost is what the account is charged
    Preset {
        name: "openrouter",
        apis: &[Api::OpenAi, Api::Anthropic],
        host: Host::At("openrouter.ai"),
        base_path: Some("/api/v1"),
        header: BEARER,
        catalogue: Some("openrouter"),
        stated_cost: StatedCost::Charge,
        ..OPENAI_LIKE
    },
    // https://docs.perplexity.ai/api-reference: its root is the host's; every chunk reports usage
    Preset {
        name: "perplexity",
        host: Host::At("api.perplexity.ai"),
        base_path: Some(""),
        include_usage: false,
        catalogue: Some("perplexity"),
        stated_cost: StatedCost::Charge,
        ..OPENAI_LIKE
    },
    // https://inference-docs.cerebras.ai/resources/openai
    Preset {
        name: "cerebras",
        host: Host::At("api.cerebras.ai"),
        catalogue: Some("cerebras"),
        ..OPENAI_LIKE
    },
    // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html: keys as bearers only
    Preset { name: "vllm", apis: &[Api::OpenAi, Api::Anthropic], header: BEARER, ..OPENAI_LIKE },
    // https://docs.sglang.io/docs/basic_usage/anthropic_api and …/openai_api: keys as bearers only
    Preset { name: "sglang", apis: &[Api::OpenAi, Api::Anthropic], header: BEARER, ..OPENAI_LIKE },
    // https://docs.ollama.com/api: keys, where it wants any, as bearers only
    Preset {
        name: "ollama",
        apis: &[Api::OpenAi, Api::Ollama, Api::Anthropic],
        header: BEARER,
        ..OPENAI_LIKE
    },
    // https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    Preset { name: "llamacpp", apis: &[Api::OpenAi, Api::Anthropic], header: BEARER, ..OPENAI_LIKE },
];
